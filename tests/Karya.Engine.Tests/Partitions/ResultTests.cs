using Karya.Engine.Tests.Driving;
using Xunit;

namespace Karya.Engine.Tests.Partitions;

public sealed class ResultTests : IDisposable
{
    private const long Now = ShardDriver.StartMs;

    private readonly ShardDriver _driver = new();
    private readonly PlanId _plan = PlanDraft.Plan(1);
    private readonly TaskKey _key = new(PlanDraft.Plan(1), 1, 0);

    public void Dispose() => _driver.Dispose();

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(Limits.ResultBytesMax)]
    public void The_result_of_a_task_is_in_the_tables(int bytes)
    {
        byte[] result = new byte[bytes];
        new Random(1).NextBytes(result);
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        _driver.Succeed(_driver.AwaitStart(_plan), result);

        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
        Assert.Equal(result, _driver.Store.Results[_key]);
    }

    [Fact]
    public void A_task_that_leaves_none_has_none()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        _driver.Succeed(_driver.AwaitStart(_plan));

        Assert.Equal(PlanTaskState.Success, _driver.EndOf(_plan));
        Assert.Empty(_driver.Store.Results);
    }

    [Fact]
    public void Occurrences_and_hooks_have_results_of_their_own()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now)
        {
            PeriodMs = 1000,
            EndMs = Now + 1000,
            Hooks = [PlanDraft.OnCompletion()],
        });
        _driver.Succeed(_driver.AwaitStart(_plan), [1]);
        _driver.Succeed(_driver.AwaitStart(_plan, 2), [2, 2]);
        _driver.Succeed(_driver.AwaitStart(_plan, 2, hook: 1), []);
        _driver.ProjectNow();

        Assert.Equal([1], _driver.Store.Results[_key]);
        Assert.Equal([2, 2], _driver.Store.Results[new TaskKey(_plan, 2, 0)]);
        Assert.Empty(_driver.Store.Results[new TaskKey(_plan, 2, 1)]);
    }

    [Fact]
    public void A_result_that_only_the_journal_has_is_in_the_tables_after_a_crash()
    {
        _driver.HoldsProjections = true;
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        _driver.SubmitNow(new PlanDraft(PlanDraft.Plan(2), Now));
        _driver.Succeed(_driver.AwaitStart(_plan), [7, 8]);
        _driver.Succeed(_driver.AwaitStart(PlanDraft.Plan(2)), []);
        _driver.Settle();
        _driver.Crash();
        _driver.HoldsProjections = false;
        _driver.ProjectNow();

        Assert.Equal([7, 8], _driver.Store.Results[_key]);
        Assert.Empty(_driver.Store.Results[_key with { Plan = PlanDraft.Plan(2) }]);
    }

    [Fact]
    public void What_is_said_by_an_attempt_that_is_no_longer_running_is_not_kept()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now) { Attempts = 2 });
        var first = _driver.AwaitStart(_plan);
        _driver.Crash();
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.Settle();
        var second = _driver.AwaitStart(_plan);
        var late = _driver.PostOutcome(first, CommandKind.AttemptSucceeded, [1], retryable: false, retryAfterMs: 0);
        _driver.Settle();
        Assert.Equal(ReplyCode.WrongState, late.Code);

        _driver.Succeed(second, [2]);
        _driver.ProjectNow();
        Assert.Equal([2], _driver.Store.Results[_key]);
    }

    [Fact]
    public void A_replayed_dead_letter_leaves_the_result_of_its_last_attempt()
    {
        _driver.SubmitNow(new PlanDraft(_plan, Now));
        _driver.Fail(_driver.AwaitStart(_plan));
        _driver.ProjectNow();
        _driver.Replay(_key);
        _driver.Settle();
        _driver.Succeed(_driver.AwaitStart(_plan), [3]);
        _driver.ProjectNow();

        Assert.Equal([3], _driver.Store.Results[_key]);
    }

    [Fact]
    public void A_batch_that_has_become_large_takes_no_further_partition()
    {
        using var driver = new ShardDriver(partitions: 2) { HoldsProjections = true };
        byte[] result = new byte[Limits.ResultBytesMax];
        for (int i = 0; i < Limits.ProjectionBytesMax / result.Length; i++)
            driver.Submit(new PlanDraft(PlanDraft.Plan(2 * i), Now)); // All in partition 0.
        driver.SubmitNow(new PlanDraft(_plan, Now));
        driver.Advance(10);
        foreach (var attempt in driver.Running.ToArray())
            driver.Succeed(attempt, result);
        driver.Settle();

        driver.ProjectNow();
        driver.WriteProjection();
        Assert.DoesNotContain(_key, driver.Store.Tasks.Keys);
        driver.Settle();
        driver.WriteProjection();
        Assert.Equal(result, driver.Store.Results[_key]);
    }
}
