using Karya.Client.Tests.Fakes;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Client.Tests.Workers;

/// <summary>How a worker stops.</summary>
public sealed class DrainTests : IAsyncDisposable
{
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(7);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly WorkerRig _rig = new();
    private readonly HeldHandler _handler = new();

    public ValueTask DisposeAsync() => _rig.DisposeAsync();

    [Fact]
    public async Task A_worker_that_stops_takes_nothing_more_and_lets_handlers_end()
    {
        var (worker, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        await _handler.Started;
        var stopping = worker.StopAsync();
        var none = await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        Assert.False(stopping.IsCompleted);
        Assert.False(worker.IsSubscribed);
        _handler.Release();
        var end = await WorkerRig.EndAsync(connection);
        await stopping.Soonly();

        Assert.Equal([new NameCredits("a", 0)], none.Names);
        Assert.Equal(DeliveryOutcome.Success, end.Outcome);
    }

    [Fact]
    public async Task Handlers_that_take_too_long_are_told_to_stop_and_their_tasks_given_back()
    {
        var (worker, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        var context = await _handler.Started;
        var stopping = worker.StopAsync();
        await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        await _rig.Time.PassAsync(DrainTimeout);
        await _handler.Cancelled;
        var end = await WorkerRig.EndAsync(connection);
        await stopping.Soonly();

        Assert.Equal(TaskCancelReason.Shutdown, context.CancelReason);
        Assert.Equal(DeliveryOutcome.Released, end.Outcome);
    }

    [Fact]
    public async Task A_host_in_a_hurry_cuts_the_drain_short()
    {
        var (worker, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        var context = await _handler.Started;
        using var hurry = new CancellationTokenSource();
        var stopping = worker.StopAsync(hurry.Token);
        await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        await hurry.CancelAsync();
        await _handler.Cancelled;
        await WorkerRig.EndAsync(connection);
        await stopping.Soonly();

        Assert.Equal(TaskCancelReason.Shutdown, context.CancelReason);
    }

    [Fact]
    public async Task A_handler_that_does_not_stop_is_left_to_its_lease()
    {
        _handler.IsDeaf = true;
        var (worker, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        await _handler.Started;
        var stopping = worker.StopAsync(new CancellationToken(canceled: true));
        await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        await _handler.Cancelled;
        await _rig.Time.PassAsync(Grace);
        await stopping.Soonly();
        await _rig.Client.PingAsync().Soonly();

        Assert.Null(connection.Arrived); // Neither ended nor given back: it still runs.
        Assert.Equal(1, worker.Running);
        _handler.Release();
    }

    [Fact]
    public async Task A_delivery_that_crosses_the_stop_is_given_back()
    {
        var (worker, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        await _handler.Started;
        var stopping = worker.StopAsync();
        var (id, _) = await connection.ExpectAsync<SubscribeRequest>();
        await connection.PushAsync(Samples.Delivery(2, "a")); // Sent before the node knew.
        var back = await WorkerRig.EndAsync(connection);
        await connection.ReplyAsync(id, new SubscribeReply(30_000));
        _handler.Release();
        await WorkerRig.EndAsync(connection);
        await stopping.Soonly();

        Assert.Equal((2UL, DeliveryOutcome.Released), (back.Id, back.Outcome));
    }

    [Fact]
    public async Task Disposing_the_client_drains_its_workers()
    {
        var (_, connection) = await StartAsync();
        await connection.PushAsync(Samples.Delivery(1, "a"));
        await _handler.Started;
        var disposing = _rig.Client.DisposeAsync().AsTask();
        await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        _handler.Release();

        Assert.Equal(DeliveryOutcome.Success, (await WorkerRig.EndAsync(connection)).Outcome);
        await disposing.Soonly();
        await connection.Closed.Soonly();
    }

    [Fact]
    public async Task A_worker_that_never_started_stops_at_once_and_cannot_start_any_more()
    {
        var worker = _rig.Client.CreateWorker(tasks => tasks.MapTask<object>("a", _handler.RunAsync));
        await worker.StopAsync().Soonly();

        Assert.Throws<InvalidOperationException>(worker.Start);
    }

    private Task<(KaryaWorker Worker, FakeConnection Connection)> StartAsync() => _rig.StartAsync(
        tasks => tasks.MapTask<object>("a", _handler.RunAsync),
        new KaryaWorkerOptions { DrainTimeout = DrainTimeout });
}
