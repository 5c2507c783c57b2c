"""A function of one's own in the deployer's place: on each push it asks ECS for a new deployment of one service."""
import os

import boto3


def lambda_handler(event, context):
    detail = event.get("detail", {})
    if detail.get("action-type") != "PUSH" or detail.get("result") != "SUCCESS":
        return {"statusCode": 200, "body": "not a push"}
    answer = boto3.client("ecs").update_service(
        cluster=os.environ["CLUSTER_NAME"],
        service=os.environ["SERVICE_NAME"],
        forceNewDeployment=True,
    )
    deployment = answer["service"]["deployments"][0]["id"]
    print(f"{detail['repository-name']}:{detail['image-tag']} -> {deployment}")
    return {"statusCode": 200, "body": deployment}
