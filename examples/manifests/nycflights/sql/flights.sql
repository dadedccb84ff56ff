-- What has landed since the newest flight that is here, and the week before that again: corrections come late.
select
    time_hour,
    make_date(cast(year as integer), cast(month as integer), cast(day as integer)) as day,
    carrier,
    cast(flight as integer) as flight,
    tailnum,
    origin,
    dest,
    cast(distance as integer) as distance,
    cast(air_time as integer) as air_time,
    cast(dep_delay as integer) as dep_delay,
    cast(arr_delay as integer) as arr_delay
from landed_flights
where time_hour >= (
    select coalesce(max(time_hour), timestamptz '2013-01-01 00:00:00+00') - interval '7 days' from flights
)
