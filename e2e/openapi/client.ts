// Uses types of the generated api.d.ts; it must compile.
import type { components, paths } from "./api";

type Schemas = components["schemas"];
type CreateRun = paths["/api/v1/deployments/{deployment}/runs"]["post"];
type Created = CreateRun["responses"][201]["content"]["application/json"];
type Rejected = CreateRun["responses"][422]["content"]["application/problem+json"];

export const body: CreateRun["requestBody"]["content"]["application/json"] = {
  parameters: { date: "2026-01-01" },
  tags: ["nightly"],
};

export function describe(run: Created): string {
  const category: Schemas["Category"] | undefined = run.category;
  return `${run.name} ${run.state.type} ${category ?? ""}`;
}

export function findings(problem: Rejected): string[] {
  return (problem.errors ?? []).map((finding) => `${finding.pointer}: ${finding.message}`);
}

// @ts-expect-error A run has no field of this name, so the types are not `any`.
export const unknownField = (run: Created) => run.no_such_field;
