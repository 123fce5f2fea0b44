//! What the engine refuses, and what goes wrong with a container: said with a remedy, and nothing is lost.
