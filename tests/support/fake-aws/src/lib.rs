//! A fake of the AWS endpoints that airflow-secrets-init talks to.
