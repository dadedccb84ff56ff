select
    airlines.carrier,
    airlines.name,
    count(*) as flights,
    count(*) - count(flights.dep_delay) as cancelled,
    cast(sum(flights.arr_delay) as double precision) / count(flights.arr_delay) as mean_arr_delay,
    sum(case when flights.arr_delay > 15 then 1 else 0 end) as late,
    min(flights.day) as first_day,
    max(flights.day) as last_day
from flights
inner join airlines on airlines.carrier = flights.carrier
group by airlines.carrier, airlines.name
