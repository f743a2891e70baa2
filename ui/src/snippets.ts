/** Code that is ready to paste, for this very server. */

export interface Snippet {
  name: string
  install: string
  code: string
}

/** A Python string that means exactly this text. */
export function python(text: string): string {
  return JSON.stringify(text)
}

export function snippets(endpoint: string, region: string, open: boolean): Snippet[] {
  const keys = open
    ? `    aws_access_key_id="any",
    aws_secret_access_key="any",`
    : `    aws_access_key_id="...",  # stepwell keys create
    aws_secret_access_key="...",`
  const client = `metrics = boto3.client(
    "sagemaker-metrics",
    endpoint_url=${python(endpoint)},
    region_name=${python(region)},
${keys}
)`
  const put = `metrics.batch_put_metrics(
        TrialComponentName="my-first-run",
        MetricData=[
            {"MetricName": "train/loss", "Timestamp": time.time(), "Step": step, "Value": loss}
        ],
    )`
  return [
    {
      name: 'boto3',
      install: 'pip install boto3',
      code: `import math, time

import boto3

${client}
for step in range(200):
    loss = math.exp(-step / 60) + 0.05 * math.sin(step)
    ${put}
    time.sleep(0.05)
`,
    },
    {
      name: 'PyTorch',
      install: 'pip install boto3 torch',
      code: `import time

import boto3
import torch

${client}
model = torch.nn.Linear(8, 1)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
x = torch.randn(512, 8)
y = x.sum(1, keepdim=True)
for step in range(200):
    loss = torch.nn.functional.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    loss = loss.item()
    ${put}
`,
    },
    {
      name: 'SageMaker SDK',
      install: 'pip install "sagemaker<3"',
      code: `# export AWS_ENDPOINT_URL_SAGEMAKER=${endpoint}
# export AWS_ENDPOINT_URL_SAGEMAKER_METRICS=${endpoint}
from sagemaker.experiments import Run

with Run(experiment_name="my-experiment", run_name="my-first-run") as run:
    run.log_parameter("learning_rate", 0.01)
    for step in range(200):
        run.log_metric("train/loss", 1 / (step + 1), step=step)
`,
    },
  ]
}
