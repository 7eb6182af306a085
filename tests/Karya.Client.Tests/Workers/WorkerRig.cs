using Karya.Client.Tests.Fakes;
using Karya.Protocol.Messages;

namespace Karya.Client.Tests.Workers;

/// <summary>A node and a client with a worker, by a clock that stands still.</summary>
internal sealed class WorkerRig : IAsyncDisposable
{
    /// <summary>Times that are unlike those of leases, so that tests can tell who waits.</summary>
    public WorkerRig()
    {
        Node.Limits = Node.Limits with { IdleMs = 300_000 };
        Client = Node.Client(options =>
        {
            options.TimeProvider = Time;
            options.RequestTimeout = TimeSpan.FromSeconds(60);
        });
    }

    public FakeNode Node { get; } = new();

    public WatchedTime Time { get; } = new();

    public KaryaClient Client { get; }

    /// <summary>Starts a worker and answers its subscription.</summary>
    public async Task<(KaryaWorker Worker, FakeConnection Connection)> StartAsync(
        Action<KaryaWorkerBuilder> tasks, KaryaWorkerOptions? options = null)
    {
        var worker = Client.CreateWorker(tasks, options);
        worker.Start();
        var connection = await Node.AcceptAsync();
        await connection.AnswerAsync<SubscribeRequest, SubscribeReply>(new SubscribeReply(30_000));
        return (worker, connection);
    }

    /// <summary>The end of one delivery, which is answered.</summary>
    public static async Task<DeliveryEnd> EndAsync(FakeConnection connection, params ulong[] notHeld)
    {
        var finish = await connection.AnswerAsync<FinishRequest, FinishReply>(new FinishReply(notHeld));
        return Xunit.Assert.Single(finish.Ends);
    }

    /// <summary>The same, while leases are extended at any time.</summary>
    public static async Task<DeliveryEnd> EndBesidesExtensionsAsync(FakeConnection connection, params ulong[] notHeld)
    {
        while (await connection.ArrivesAsync() == Protocol.Opcode.Extend)
            await connection.AnswerAsync<ExtendRequest, ExtendReply>(new ExtendReply([]));
        return await EndAsync(connection, notHeld);
    }

    /// <summary>Nobody answers what a worker says at its end; time passes until it gives that up.</summary>
    public async ValueTask DisposeAsync()
    {
        var disposing = Client.DisposeAsync().AsTask();
        while (!disposing.IsCompleted)
        {
            Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await disposing;
        await Node.DisposeAsync();
    }
}
