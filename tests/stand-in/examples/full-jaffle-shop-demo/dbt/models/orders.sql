select
    orders.id as order_id,
    orders.user_id as customer_id,
    customers.first_name,
    orders.order_date,
    orders.status
from {{ ref('raw_orders') }} as orders
left join {{ ref('raw_customers') }} as customers on customers.id = orders.user_id
