-- One row per order that was paid for.
select
    order_id,
    ordered_on,
    customer,
    product,
    quantity,
    (quantity * price)::decimal(12, 2) as amount
from read_csv('data/raw_orders.csv')
where status = 'paid'
order by order_id
