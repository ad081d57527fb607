# The index of a shared account: the secret, its key and policies, and the role that publishes it. The first value comes from
# publish-index; Terraform never reads or writes one. `airflow-secrets-init iam --output terraform` prints the same policies for other
# prefixes and names.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "index" {
  description = "Name of the secret that is the index"
  type        = string
  default     = "airflow/index"
}

variable "consumers" {
  description = "Accounts that may read the index: 12 digits each"
  type        = list(string)
}

variable "trust" {
  description = "Trust policy of the role that publishes: IRSA, EKS Pod Identity or the OIDC provider of GitHub Actions, as JSON"
  type        = string
}

data "aws_caller_identity" "this" {}

data "aws_region" "this" {}

data "aws_partition" "this" {}

locals {
  service = "secretsmanager.${data.aws_region.this.region}.amazonaws.com"
  readers = [for account in var.consumers : "arn:${data.aws_partition.this.partition}:iam::${account}:root"]
}

resource "aws_kms_key" "index" {
  description         = "The index of Airflow's connections"
  enable_key_rotation = true
  policy              = data.aws_iam_policy_document.key.json
}

data "aws_iam_policy_document" "key" {
  statement {
    sid       = "Administrators"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = ["arn:${data.aws_partition.this.partition}:iam::${data.aws_caller_identity.this.account_id}:root"]
    }
  }

  statement {
    sid       = "DecryptByAccounts"
    actions   = ["kms:Decrypt"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = local.readers
    }

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.service]
    }
  }
}

resource "aws_secretsmanager_secret" "index" {
  name        = var.index
  description = "Which secrets there are, for airflow-secrets-init in other accounts"
  kms_key_id  = aws_kms_key.index.arn
}

resource "aws_secretsmanager_secret_policy" "index" {
  secret_arn = aws_secretsmanager_secret.index.arn
  policy     = data.aws_iam_policy_document.index.json
}

data "aws_iam_policy_document" "index" {
  statement {
    sid       = "ReadByAccounts"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = local.readers
    }
  }
}

resource "aws_iam_role" "publisher" {
  name               = "airflow-index-publisher"
  assume_role_policy = var.trust
}

resource "aws_iam_role_policy" "publisher" {
  role   = aws_iam_role.publisher.id
  policy = data.aws_iam_policy_document.publisher.json
}

data "aws_iam_policy_document" "publisher" {
  statement {
    sid       = "ListSecrets"
    actions   = ["secretsmanager:ListSecrets"]
    resources = ["*"]
  }

  statement {
    sid       = "Index"
    actions   = ["secretsmanager:GetSecretValue", "secretsmanager:PutSecretValue"]
    resources = [aws_secretsmanager_secret.index.arn]
  }

  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.index.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [local.service]
    }
  }
}

output "shared_index" {
  description = "What consumers name in shared_index"
  value       = aws_secretsmanager_secret.index.arn
}
