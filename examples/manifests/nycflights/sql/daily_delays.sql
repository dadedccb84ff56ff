select
    day,
    origin,
    count(*) as flights,
    count(*) - count(dep_delay) as cancelled,
    cast(count(*) - count(dep_delay) as double precision) / count(*) as cancelled_share,
    cast(sum(dep_delay) as double precision) / count(dep_delay) as mean_dep_delay,
    max(dep_delay) as worst_dep_delay
from flights
group by day, origin
