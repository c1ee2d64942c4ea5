"""The parts that the end-to-end tests, the benches and the demo start and talk to."""
