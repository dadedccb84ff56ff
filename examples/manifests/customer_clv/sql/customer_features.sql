-- One row per customer. The model learns from the calibration period alone (39 weeks, to the end of September 1997);
-- the 39 weeks after it are held out, to see how well it foretold them.
with periods as (
    select
        date '1997-09-30' as calibration_end,
        date '1998-06-30' as holdout_end
),

calibration as (
    select
        customer_id,
        min(session_date) as first_session,
        max(session_date) as last_session,
        count(*) as sessions,
        avg(amount) as average_amount
    from sessionized_events
    cross join periods
    where session_date <= calibration_end
    group by customer_id
),

holdout as (
    select
        customer_id,
        count(*) as sessions
    from sessionized_events
    cross join periods
    where session_date > calibration_end and session_date <= holdout_end
    group by customer_id
)

select
    calibration.customer_id,
    calibration.first_session,
    calibration.last_session,
    -- The first session makes somebody a customer; only those after it are repeats.
    calibration.sessions - 1 as frequency,
    date_diff('day', calibration.first_session, calibration.last_session) as recency_days,
    date_diff('day', calibration.first_session, periods.calibration_end) as age_days,
    recency_days / 7.0 as recency_weeks,
    age_days / 7.0 as age_weeks,
    calibration.average_amount::decimal(12, 2) as monetary_value,
    coalesce(holdout.sessions, 0) as holdout_purchases,
    date_diff('day', periods.calibration_end, periods.holdout_end) / 7.0 as holdout_weeks
from calibration
cross join periods
left join holdout on holdout.customer_id = calibration.customer_id
order by calibration.customer_id
