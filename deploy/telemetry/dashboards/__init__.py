"""The dashboards of Grafana, made from the metric table: which panels there are, what each asks, and its JSON."""
