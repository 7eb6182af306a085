namespace Karya.Client;

/// <summary>A plan with its latest tasks and errors, oldest first: at most 100 of each.</summary>
public sealed record PlanSummary(PlanState Plan, IReadOnlyList<TaskState> Tasks, IReadOnlyList<TaskError> Errors);
