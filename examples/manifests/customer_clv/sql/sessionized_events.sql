-- One row per customer and day with a purchase. What one customer bought on one day is one session:
-- the log has no time of day, and the model downstream counts days on which somebody bought.
with purchases as (
    select *
    from read_csv(
        'data/raw_events.csv',
        header = true,
        columns = {
            'customer_id': 'varchar',
            'purchased_on': 'date',
            'quantity': 'integer',
            'amount': 'decimal(10, 2)'
        }
    )
),

sessions as (
    select
        customer_id,
        purchased_on as session_date,
        count(*) as purchases,
        sum(quantity)::integer as quantity,
        sum(amount)::decimal(12, 2) as amount
    from purchases
    group by customer_id, purchased_on
)

select
    customer_id || '-' || strftime(session_date, '%Y%m%d') as session_id,
    customer_id,
    session_date,
    row_number() over customer_days as session_number,
    date_diff('day', lag(session_date) over customer_days, session_date) as days_since_previous,
    purchases,
    quantity,
    amount
from sessions
window customer_days as (partition by customer_id order by session_date)
order by customer_id, session_date
