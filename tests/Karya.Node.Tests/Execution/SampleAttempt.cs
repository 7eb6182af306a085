using Karya.Engine;
using Karya.Node.Execution;

namespace Karya.Node.Tests.Execution;

/// <summary>An attempt of occurrence 7 of a plan, of four that there may be.</summary>
internal static class SampleAttempt
{
    public static PlanId Plan { get; } = PlanId.From(Guid.Parse("0d4f9f0c-3f3e-4f7a-8a9c-6f2f6d0b7c11"));

    public static Attempt Number(int number) => new(
        new TaskKey(Plan, 7, 0), default, Partition: 5, Epoch: 42, number, NumberMax: 4, DueMs: 1000, StartedMs: 1);
}
