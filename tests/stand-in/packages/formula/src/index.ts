export { parse } from './grammar/parser';
