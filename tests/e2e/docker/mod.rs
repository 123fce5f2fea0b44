//! Shared servers as containers of a real Docker engine: what `tests/images/up` brings up, or whatever `DOCKER_HOST`
//! names. Without one these tests say so and pass, but where everything is checked they fail.

mod engine;
mod life;
mod refusals;
mod suite;
