-- Does not run, as its namesake in the real repository: it is left out by name.
select * from {{ ref('orders') }} where there_is_no_such_column
