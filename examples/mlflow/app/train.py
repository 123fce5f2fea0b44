"""Fits a slope by gradient descent, and logs the run: parameters, the loss of each step, and the outcome as an artifact.

Where to is in MLFLOW_TRACKING_URI.
"""

import argparse

import mlflow

POINTS = [(1.0, 2.1), (2.0, 3.9), (3.0, 6.2)]


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=float, default=0.02)
    arguments.add_argument("--steps", type=int, default=5)
    options = arguments.parse_args()

    mlflow.set_experiment("slope")
    with mlflow.start_run() as run:
        mlflow.log_params({"rate": options.rate, "steps": options.steps})
        slope = 0.0
        for step in range(options.steps):
            errors = [slope * x - y for x, y in POINTS]
            mlflow.log_metric("loss", sum(error * error for error in errors), step=step)
            slope -= options.rate * sum(2 * error * x for error, (x, _) in zip(errors, POINTS))
        mlflow.log_text(f"slope {slope:.3f}\n", "outcome.txt")
    print(run.info.run_id)


if __name__ == "__main__":
    main()
