namespace Karya.Client;

/// <summary>A plan with its latest task.</summary>
public sealed record PlanView(PlanState Plan, TaskState Task);
