using Xunit;

namespace Karya.Engine.Tests;

public sealed class StateMoveTests
{
    [Fact]
    public void A_plan_makes_these_moves_and_no_others()
    {
        (PlanState From, PlanState To)[] legal =
        [
            (PlanState.Created, PlanState.Running),
            (PlanState.Created, PlanState.Completed),
            (PlanState.Created, PlanState.Cancelled),
            (PlanState.Running, PlanState.Completed),
            (PlanState.Running, PlanState.Cancelled),
            (PlanState.Completed, PlanState.Cancelled),
        ];

        foreach (var from in Enum.GetValues<PlanState>())
        {
            foreach (var to in Enum.GetValues<PlanState>())
                Assert.True(PlanStates.CanMove(from, to) == legal.Contains((from, to)), $"{from} to {to}");
        }
    }

    [Fact]
    public void A_task_makes_these_moves_and_no_others()
    {
        (PlanTaskState From, PlanTaskState To)[] legal =
        [
            (PlanTaskState.Created, PlanTaskState.Processing),
            (PlanTaskState.Created, PlanTaskState.Failure),
            (PlanTaskState.Created, PlanTaskState.Cancelled),
            (PlanTaskState.Created, PlanTaskState.Skipped),
            (PlanTaskState.Processing, PlanTaskState.Created),
            (PlanTaskState.Processing, PlanTaskState.Success),
            (PlanTaskState.Processing, PlanTaskState.Failure),
            (PlanTaskState.Processing, PlanTaskState.Cancelled),
            (PlanTaskState.Failure, PlanTaskState.Created),
        ];

        foreach (var from in Enum.GetValues<PlanTaskState>())
        {
            foreach (var to in Enum.GetValues<PlanTaskState>())
                Assert.True(PlanTaskStates.CanMove(from, to) == legal.Contains((from, to)), $"{from} to {to}");
        }
    }

    [Fact]
    public void The_ended_states_are_those_that_nothing_runs_in()
    {
        Assert.Equal([PlanState.Completed, PlanState.Cancelled], Enum.GetValues<PlanState>().Where(PlanStates.IsEnded));
        Assert.Equal(
            [PlanTaskState.Success, PlanTaskState.Failure, PlanTaskState.Cancelled, PlanTaskState.Skipped],
            Enum.GetValues<PlanTaskState>().Where(PlanTaskStates.IsEnded));
    }

    [Fact]
    public void The_stored_values_stay_what_they_are()
    {
        Assert.Equal([0, 1, 2, 3], Enum.GetValues<PlanState>().Select(v => (int)v));
        Assert.Equal([0, 1, 2, 3, 4, 5], Enum.GetValues<PlanTaskState>().Select(v => (int)v));
        Assert.Equal(Enumerable.Range(1, 11), Enum.GetValues<Engine.Journal.RecordKind>().Select(v => (int)v));
    }
}
