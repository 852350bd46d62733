"""What tensorgrad costs, beside its peers: ``python -m benchmarks`` from the checkout's root."""
