"""What is installed on Kubernetes: the Helm chart, with what is generated in it, and Strimzi's resources."""
