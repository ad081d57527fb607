# Starts the publisher when a secret comes or goes, beside its clock: a listing lags up to five minutes behind an event, so one started by
# it may not see the change yet. Here an ECS task; any target of EventBridge that starts the job will do.

variable "cluster_arn" {
  description = "ECS cluster that the publisher runs in"
  type        = string
}

variable "task_definition_arn" {
  description = "ECS task whose container runs publish-index"
  type        = string
}

variable "subnets" {
  description = "Subnets of the task"
  type        = list(string)
}

variable "events_role_arn" {
  description = "Role that lets EventBridge run the task"
  type        = string
}

resource "aws_cloudwatch_event_rule" "secrets" {
  name        = "airflow-index-publisher"
  description = "A secret was made, deleted, restored, or has a new current version"

  # Any secret of the account: publishing the index starts the job once more, which then finds nothing to write.
  event_pattern = jsonencode({
    "$or" = [
      {
        source        = ["aws.secretsmanager"]
        "detail-type" = ["Secret Label Updated"]
      },
      {
        source        = ["aws.secretsmanager"]
        "detail-type" = ["AWS API Call via CloudTrail"]
        detail = {
          eventSource = ["secretsmanager.amazonaws.com"]
          eventName   = ["CreateSecret", "DeleteSecret", "RestoreSecret"]
        }
      },
    ]
  })
}

resource "aws_cloudwatch_event_target" "publisher" {
  rule     = aws_cloudwatch_event_rule.secrets.name
  arn      = var.cluster_arn
  role_arn = var.events_role_arn

  ecs_target {
    task_definition_arn = var.task_definition_arn
    launch_type         = "FARGATE"

    network_configuration {
      subnets = var.subnets
    }
  }
}
