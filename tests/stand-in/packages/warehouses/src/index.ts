export { PostgresWarehouseClient } from './warehouseClients/PostgresWarehouseClient';
