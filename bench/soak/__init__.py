"""Hours of mixed traffic with faults, watched for what grows, is lost, or comes twice."""
