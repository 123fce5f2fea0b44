import { routes as healthController } from '../controllers/healthController';
import { routes as projectController } from '../controllers/projectController';
import { routes as uploadController } from '../controllers/uploadController';
import { routes as userController } from '../controllers/userController';

export const ALL = [healthController, projectController, uploadController, userController].flat();
