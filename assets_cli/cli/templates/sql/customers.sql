-- One row per customer with what they have spent so far.
select
    customer,
    count(*) as orders,
    sum(amount) as spent,
    min(ordered_on) as first_order,
    max(ordered_on) as last_order
from orders
group by customer
