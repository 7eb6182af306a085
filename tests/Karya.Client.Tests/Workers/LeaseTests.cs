using Karya.Client.Tests.Fakes;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Workers;

/// <summary>Leases, and connections that end while handlers run.</summary>
public sealed class LeaseTests : IAsyncDisposable
{
    private static readonly TimeSpan Third = TimeSpan.FromSeconds(10);

    private readonly WorkerRig _rig = new();
    private readonly HeldHandler _handler = new();
    private int _thirds = 1;

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task Leases_are_extended_at_a_third_with_one_request_for_all()
    {
        var second = new HeldHandler();
        var (_, connection) = await StartAsync(second);
        await connection.PushAsync(Samples.Delivery(1, "a"));
        await connection.PushAsync(Samples.Delivery(2, "b"));
        await _handler.Started;
        await second.Started;

        for (int i = 0; i < 10; i++) // More than three leases.
        {
            await PassThirdAsync();
            var extend = await connection.AnswerAsync<ExtendRequest, ExtendReply>(new ExtendReply([]));
            Assert.Equal([1UL, 2UL], extend.Ids.Order());
        }

        Assert.False((await _handler.Started).CancelReason != TaskCancelReason.None);
        _handler.Release();
        Assert.Equal(DeliveryOutcome.Success, (await WorkerRig.EndAsync(connection)).Outcome);
        second.Release();
        await WorkerRig.EndAsync(connection);
    }

    [Fact]
    public async Task What_is_not_held_any_more_is_stopped()
    {
        var (_, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        var context = await _handler.Started;
        await PassThirdAsync();
        await connection.AnswerAsync<ExtendRequest, ExtendReply>(new ExtendReply([1]));
        await _handler.Cancelled;

        await _rig.Client.PingAsync().Soonly();
        Assert.Equal(TaskCancelReason.LeaseLost, context.CancelReason);
        Assert.Null(connection.Arrived); // What came of it does not count.
    }

    [Fact]
    public async Task A_lease_that_cannot_be_extended_in_time_stops_its_handler_when_it_ends_and_not_before()
    {
        var (_, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        var context = await _handler.Started;
        await PassThirdAsync();
        await connection.AnswerAsync<ExtendRequest, ErrorMessage>(Samples.Error(ErrorCode.Unavailable));
        await PassThirdAsync();
        await connection.AnswerAsync<ExtendRequest, ErrorMessage>(Samples.Error(ErrorCode.Unavailable));
        Assert.Equal(TaskCancelReason.None, context.CancelReason);
        await PassThirdAsync();
        await _handler.Cancelled;

        Assert.Equal(TaskCancelReason.LeaseLost, context.CancelReason);
    }

    [Fact]
    public async Task After_a_lost_connection_handlers_go_on_and_their_ends_go_through_the_next_one()
    {
        var (worker, first) = await StartAsync();
        await first.PushAsync(Samples.Delivery(1, "a"));
        var context = await _handler.Started;
        await first.DisposeAsync();
        var second = await AcceptAgainAsync();
        _handler.Release(); // Before the worker has subscribed: nobody would take it.
        while (worker.Running > 0)
            await Task.Yield();
        var (subscribe, request) = await second.ExpectAsync<SubscribeRequest>();
        Assert.Null(second.Arrived);
        await second.ReplyAsync(subscribe, new SubscribeReply(30_000));

        var end = await WorkerRig.EndBesidesExtensionsAsync(second);

        Assert.Equal([new NameCredits("a", 16), new NameCredits("b", 16)], request.Names);
        Assert.Equal((1UL, DeliveryOutcome.Success), (end.Id, end.Outcome));
        Assert.Equal(TaskCancelReason.None, context.CancelReason);
        Assert.True(worker.IsSubscribed);
    }

    [Fact]
    public async Task After_a_lost_connection_what_still_runs_is_extended_at_once_and_stopped_when_it_is_not_held()
    {
        var (_, first) = await StartAsync();
        await first.PushAsync(Samples.Delivery(1, "a"));
        var context = await _handler.Started;
        await first.DisposeAsync();
        var second = await AcceptAgainAsync();
        await second.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        var extend = await second.AnswerAsync<ExtendRequest, ExtendReply>(new ExtendReply([1]));
        await _handler.Cancelled;

        Assert.Equal([1], extend.Ids);
        Assert.Equal(TaskCancelReason.LeaseLost, context.CancelReason);
        await _rig.Client.PingAsync().Soonly();
        Assert.Null(second.Arrived);
    }

    [Fact]
    public async Task A_finish_whose_answer_is_lost_is_sent_again()
    {
        var (_, first) = await StartAsync();
        await first.PushAsync(Samples.Delivery(1, "a"));
        await _handler.Started;
        _handler.Release();
        await first.ExpectAsync<FinishRequest>();
        await first.DisposeAsync();
        var second = await AcceptAgainAsync();
        await second.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));

        Assert.Equal(DeliveryOutcome.Success, (await WorkerRig.EndBesidesExtensionsAsync(second, 1)).Outcome);
    }

    [Fact]
    public async Task A_lease_is_extended_until_the_end_is_answered()
    {
        var (_, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        await _handler.Started;
        _handler.Release();
        var (id, _) = await connection.ExpectAsync<FinishRequest>();
        await PassThirdAsync();
        var extend = await connection.AnswerAsync<ExtendRequest, ExtendReply>(new ExtendReply([]));
        await connection.ReplyAsync(id, new FinishReply([]));

        Assert.Equal([1], extend.Ids);
    }

    [Fact]
    public async Task A_node_that_goes_away_hears_the_end_of_what_it_delivered()
    {
        var (_, first) = await StartAsync();
        await first.PushAsync(Samples.Delivery(1, "a"));
        await _handler.Started;
        await first.PushAsync(new GoingAway("stopping", 30_000));
        var second = await AcceptAgainAsync();
        await second.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        await first.AnswerAsync<ExtendRequest, ExtendReply>(new ExtendReply([]));
        _handler.Release();

        Assert.Equal(DeliveryOutcome.Success, (await WorkerRig.EndAsync(first)).Outcome);
        await first.Closed.Soonly();
        Assert.Null(second.Arrived);
    }

    [Fact]
    public async Task A_number_that_is_used_again_means_the_new_delivery()
    {
        var second = new HeldHandler();
        var (_, connection) = await StartAsync(second);
        await connection.PushAsync(Samples.Delivery(1, "a"));
        var before = await _handler.Started;
        await connection.PushAsync(Samples.Delivery(1, "b"));
        var after = await second.Started;
        await _handler.Cancelled;

        Assert.Equal(TaskCancelReason.LeaseLost, before.CancelReason);
        Assert.Equal(TaskCancelReason.None, after.CancelReason);
        second.Release();
    }

    private async Task<(KaryaWorker Worker, FakeConnection Connection)> StartAsync(HeldHandler? second = null)
    {
        var started = await _rig.StartAsync(tasks => tasks
            .MapTask<object>("a", _handler.RunAsync)
            .MapTask<object>("b", (second ?? new HeldHandler()).RunAsync));
        await _rig.Time.ArmedAsync(Third, ++_thirds); // Before it has subscribed, and anew after that.
        return started;
    }

    /// <summary>Lets the worker's clock tick to its next extension.</summary>
    private Task PassThirdAsync() => _rig.Time.PassAsync(Third, ++_thirds - 1);

    /// <summary>Time passes until the pauses between tries are over.</summary>
    private async Task<FakeConnection> AcceptAgainAsync()
    {
        var accepting = _rig.Node.AcceptAsync();
        var pauseMax = TimeSpan.FromMilliseconds(100);
        await Task.WhenAny(accepting, _rig.Time.ArmedAsync(due => due <= pauseMax, 1));
        _rig.Time.Advance(pauseMax);
        return await accepting;
    }
}
