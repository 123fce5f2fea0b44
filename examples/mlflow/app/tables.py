"""Makes the tables that MLflow began with, as its server does on an empty database: `mlflow db upgrade` goes on from them."""

import os

from mlflow.store.db.utils import create_sqlalchemy_engine_with_retry
from mlflow.store.tracking.dbmodels.initial_models import Base

Base.metadata.create_all(create_sqlalchemy_engine_with_retry(os.environ["MLFLOW_BACKEND_STORE_URI"]))
