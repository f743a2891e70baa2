// Run by Node: the JavaScript SDK's control plane, signed; prints what it saw as JSON.
import {
  CreateExperimentCommand,
  CreateTrialCommand,
  CreateTrialComponentCommand,
  AssociateTrialComponentCommand,
  DescribeTrialComponentCommand,
  SageMakerClient,
  SearchCommand,
  paginateListTrialComponents,
} from "@aws-sdk/client-sagemaker";

const client = new SageMakerClient({});
const seen = {};
await client.send(new CreateExperimentCommand({ ExperimentName: "js-exp" }));
await client.send(new CreateTrialCommand({ TrialName: "js-trial", ExperimentName: "js-exp" }));
for (let i = 0; i < 12; i++) {
  await client.send(
    new CreateTrialComponentCommand({
      TrialComponentName: `js-${i}`,
      StartTime: new Date(1795435200123),
      Parameters: { lr: { NumberValue: i / 8 }, name: { StringValue: "grüß 😀" } },
    }),
  );
  await client.send(
    new AssociateTrialComponentCommand({ TrialComponentName: `js-${i}`, TrialName: "js-trial" }),
  );
}
seen.listed = [];
const pages = paginateListTrialComponents({ client, pageSize: 5 }, { TrialName: "js-trial" });
for await (const page of pages) {
  seen.listed.push(page.TrialComponentSummaries.map((each) => each.TrialComponentName));
}
const described = await client.send(
  new DescribeTrialComponentCommand({ TrialComponentName: "JS-3" }),
);
seen.started = described.StartTime.getTime();
seen.parameters = described.Parameters;
const found = await client.send(
  new SearchCommand({
    Resource: "ExperimentTrialComponent",
    SearchExpression: {
      Filters: [{ Name: "Parameters.lr", Operator: "GreaterThan", Value: "1" }],
    },
    SortBy: "Parameters.lr",
    SortOrder: "Ascending",
  }),
);
seen.found = found.Results.map((each) => each.TrialComponent.TrialComponentName);
seen.errors = [];
for (const name of ["js-exp", "js_exp"]) {
  try {
    await client.send(new CreateExperimentCommand({ ExperimentName: name }));
  } catch (error) {
    seen.errors.push([error.name, error.message, error.$metadata.httpStatusCode]);
  }
}
console.log(JSON.stringify(seen));
