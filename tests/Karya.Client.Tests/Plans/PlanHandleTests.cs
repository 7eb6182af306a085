using Karya.Client.Tests.Fakes;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Plans;

/// <summary>Waiting for a plan, and watching it.</summary>
public sealed class PlanHandleTests : IAsyncDisposable
{
    private readonly FakeNode _node = new();
    private readonly WatchedTime _time = new();
    private readonly KaryaClient _client;
    private readonly PlanHandle _plan;

    public PlanHandleTests()
    {
        _client = _node.Client(options => options.TimeProvider = _time);
        _plan = _client.Handle(Samples.PlanId);
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _node.DisposeAsync();
    }

    [Fact]
    public async Task Waiting_asks_more_and_more_seldom_until_the_plan_has_ended()
    {
        var waiting = _plan.WaitAsync();
        var connection = await _node.AcceptAsync();
        int[] pausesMs = [20, 40, 80, 160, 320, 640, 1000];
        foreach (int ms in pausesMs)
        {
            await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
            await _time.PassAsync(TimeSpan.FromMilliseconds(ms));
        }

        await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
        await _time.PassAsync(TimeSpan.FromSeconds(1), times: 2); // It does not grow further.
        await connection.AnswerAsync<GetRequest, PlanDetails>(
            Samples.Details(PlanStatus.Completed, PlanTaskStatus.Success, attempts: 1));

        var task = await waiting.Soonly();

        Assert.Equal((PlanTaskStatus.Success, 1), (task.Status, task.Attempts));
        Assert.Equal(TimeSpan.FromMilliseconds(250), task.Lateness);
    }

    [Fact]
    public async Task Waiting_gives_up_in_time_and_says_how_the_plan_stands()
    {
        var waiting = _plan.WaitAsync(TimeSpan.FromMilliseconds(30));
        var connection = await _node.AcceptAsync();
        await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details());
        await _time.PassAsync(TimeSpan.FromMilliseconds(20));
        await connection.AnswerAsync<GetRequest, PlanDetails>(Samples.Details(task: PlanTaskStatus.Processing));
        await _time.PassAsync(TimeSpan.FromMilliseconds(10));

        var e = await Assert.ThrowsAsync<KaryaTimeoutException>(() => waiting.Soonly());

        Assert.Contains("it is Running, its latest task Processing", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Waiting_for_a_plan_that_does_not_exist_fails()
    {
        var waiting = _plan.WaitAsync();
        var connection = await _node.AcceptAsync();
        await connection.AnswerAsync<GetRequest, ErrorMessage>(Samples.Error(ErrorCode.PlanNotFound));

        await Assert.ThrowsAsync<KaryaNotFoundException>(() => waiting.Soonly());
    }

    [Fact]
    public async Task Waiting_bears_an_overloaded_node()
    {
        var waiting = _plan.WaitAsync();
        var connection = await _node.AcceptAsync();
        await connection.AnswerAsync<GetRequest, ErrorMessage>(Samples.Error(ErrorCode.Overloaded, retryAfterMs: 700));
        await _time.PassAsync(TimeSpan.FromMilliseconds(700));
        await connection.AnswerAsync<GetRequest, PlanDetails>(
            Samples.Details(PlanStatus.Cancelled, PlanTaskStatus.Cancelled));

        Assert.Equal(PlanTaskStatus.Cancelled, (await waiting.Soonly()).Status);
    }

    [Fact]
    public async Task Watching_tells_each_task_that_has_changed_until_the_plan_has_ended()
    {
        var watching = _plan.WatchAsync().ToListAsync().AsTask();
        var connection = await _node.AcceptAsync();
        var first = Samples.Task(PlanTaskStatus.Processing, attempts: 1);
        var second = Samples.Task(occurrence: 2);
        await AnswerAsync(connection, PlanStatus.Running, first);
        await _time.PassAsync(TimeSpan.FromMilliseconds(20));
        await AnswerAsync(connection, PlanStatus.Running, first); // Nothing new.
        await _time.PassAsync(TimeSpan.FromMilliseconds(40));
        await AnswerAsync(connection, PlanStatus.Running, first with { Progress = 0.5 }, second);
        await _time.PassAsync(TimeSpan.FromMilliseconds(20), times: 2); // Soon again, because something changed.
        await AnswerAsync(connection, PlanStatus.Completed, first with { Status = PlanTaskStatus.Success }, second);

        var seen = await watching.Soonly();

        Assert.Equal(
            [
                (1, PlanTaskStatus.Processing, null), (1, PlanTaskStatus.Processing, 0.5),
                (2, PlanTaskStatus.Created, null), (1, PlanTaskStatus.Success, (double?)null),
            ],
            seen.Select(task => (task.Occurrence, task.Status, task.Progress)));
    }

    private static Task<SummaryRequest> AnswerAsync(
        FakeConnection connection, PlanStatus status, params TaskSnapshot[] tasks) =>
        connection.AnswerAsync<SummaryRequest, SummaryReply>(new SummaryReply(Samples.Snapshot(status), tasks, []));
}
