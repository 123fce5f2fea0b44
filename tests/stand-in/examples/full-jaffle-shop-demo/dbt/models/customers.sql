select customer_id, first_name, count(*) as number_of_orders
from {{ ref('orders') }}
group by customer_id, first_name
