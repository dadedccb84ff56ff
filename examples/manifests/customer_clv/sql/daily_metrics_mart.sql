-- One row per calendar day, also for a day on which nobody bought: without it an average over seven rows
-- would not be one over seven days.
with days as (
    select unnest(
        generate_series(min(session_date), max(session_date), interval 1 day)
    )::date as day
    from sessionized_events
),

metrics as (
    select
        days.day,
        coalesce(sum(sessions.amount), 0)::decimal(12, 2) as revenue,
        coalesce(sum(sessions.purchases), 0)::integer as orders,
        count(sessions.customer_id) as customers,
        count(sessions.session_id) filter (where sessions.session_number = 1) as new_customers,
        coalesce(sum(sessions.quantity), 0)::integer as items
    from days
    left join sessionized_events as sessions on sessions.session_date = days.day
    group by days.day
)

select
    day,
    revenue,
    orders,
    customers,
    new_customers,
    items,
    round(avg(revenue) over week, 2) as revenue_7_day_average,
    round(avg(orders) over week, 2) as orders_7_day_average
from metrics
window week as (order by day rows between 6 preceding and current row)
order by day
