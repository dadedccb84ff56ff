-- Recency, frequency and money, each from 1 (worst) to 5 (best), and the segment that they make.
-- Frequency has fixed bounds, since six in ten customers never came back: fifths would tear equals apart.
-- Recency and money are ranked; equal values share a rank, so the answer never depends on the order of rows.
with scores as (
    select
        customer_id,
        frequency,
        monetary_value,
        age_days - recency_days as days_since_last_session,
        1 + least(4, floor(5 * percent_rank() over (order by age_days - recency_days desc)))::integer as recency_score,
        case
            when frequency = 0 then 1
            when frequency = 1 then 2
            when frequency = 2 then 3
            when frequency <= 5 then 4
            else 5
        end as frequency_score,
        1 + least(4, floor(5 * percent_rank() over (order by monetary_value)))::integer as monetary_score
    from customer_features
)

select
    customer_id,
    days_since_last_session,
    frequency,
    monetary_value,
    recency_score,
    frequency_score,
    monetary_score,
    case
        when recency_score >= 4 and frequency_score >= 4 then 'champions'
        when recency_score >= 3 and frequency_score >= 3 then 'loyal'
        when recency_score >= 4 and frequency_score = 2 then 'promising'
        when recency_score >= 4 then 'new'
        when frequency_score >= 3 then 'at risk'
        when monetary_score >= 4 then 'big spenders gone quiet'
        else 'dormant'
    end as segment
from scores
order by customer_id
