using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Karya.Client;
using Karya.Node.Tests.Network;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Joined;

/// <summary>A worker that is connected anywhere gets work from everywhere.</summary>
[Trait("Needs", "process")]
public sealed class WorkerRelayTests : ClusterTest
{
    private Node _first = null!;
    private Node _second = null!;
    private KaryaClient _atFirst = null!;
    private KaryaClient _atSecond = null!;

    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        (_first, _, _second, _) = await StartTwoAsync();
        _atFirst = await KaryaClient.ConnectAsync($"karya://{_first.Addresses.Tcp}", Stopping);
        _atSecond = await KaryaClient.ConnectAsync($"karya://{_second.Addresses.Tcp}", Stopping);
    }

    public override async ValueTask DisposeAsync()
    {
        await _atFirst.DisposeAsync();
        await _atSecond.DisposeAsync();
        await _first.DisposeAsync();
        await _second.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public async Task A_worker_at_one_node_carries_out_the_tasks_of_all()
    {
        await using var worker = _atSecond.CreateWorker(tasks => tasks.MapTask<int, int>(
            "double", (n, context, stopping) => Task.FromResult(2 * n)));
        worker.Start();
        var plans = new List<PlanHandle>();
        for (int i = 0; i < 40; i++)
            plans.Add(await SubmitAsync("double", i));

        foreach (var (i, plan) in plans.Index())
        {
            Assert.Equal(PlanTaskStatus.Success, (await plan.WaitAsync(cancellationToken: Stopping)).Status);
            byte[]? result = await _atFirst.GetResultAsync(plan.Id, cancellationToken: Stopping);
            Assert.Equal((2 * i).ToString(CultureInfo.InvariantCulture), Encoding.UTF8.GetString(result!));
        }

        Assert.DoesNotContain((await _atFirst.GetStatsAsync(Stopping)).Workers, pool => pool.Workers > 0);
    }

    [Fact]
    public async Task Workers_at_all_nodes_share_what_there_is_and_none_has_more_than_it_takes()
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int atFirst = 0, atSecond = 0;
        await using var first = NewWorker(_atFirst, () => Interlocked.Increment(ref atFirst));
        await using var second = NewWorker(_atSecond, () => Interlocked.Increment(ref atSecond));
        var plans = new List<PlanHandle>();
        for (int i = 0; i < 12; i++)
            plans.Add(await SubmitAsync("share", i)); // Each falls into a partition of the node that is asked.
        await Until.TrueAsync(() => atFirst + atSecond == 7, "all places are taken but one, which the second keeps");
        Assert.Equal((4, 3), (atFirst, atSecond));

        goOn.SetResult();
        foreach (var plan in plans)
            Assert.Equal(PlanTaskStatus.Success, (await plan.WaitAsync(cancellationToken: Stopping)).Status);

        KaryaWorker NewWorker(KaryaClient client, Action count)
        {
            var worker = client.CreateWorker(
                tasks => tasks.MapTask<int>("share", (_, _, _) =>
                {
                    count();
                    return goOn.Task;
                }),
                new KaryaWorkerOptions { Concurrency = 4 });
            worker.Start();
            return worker;
        }
    }

    [Fact]
    public async Task A_cancel_reaches_the_handler_wherever_it_runs()
    {
        var running = new ConcurrentDictionary<int, bool>();
        var reached = new ConcurrentDictionary<int, TaskCancelReason?>();
        await using var worker = _atSecond.CreateWorker(tasks => tasks.MapTask<int>("long", RunAsync));
        worker.Start();
        var plans = new List<PlanHandle>();
        for (int i = 0; i < 6; i++)
            plans.Add(await SubmitAsync("long", i));
        await Until.TrueAsync(() => running.Count == plans.Count, "all handlers run");
        foreach (var plan in plans)
            await plan.CancelAsync(Stopping);

        await Until.TrueAsync(
            () => reached.Values.Count(reason => reason == TaskCancelReason.PlanCancelled) == plans.Count,
            "all handlers are told");

        async Task RunAsync(int n, TaskContext context, CancellationToken stopping)
        {
            running[n] = true;
            try
            {
                await Task.Delay(Timeout.Infinite, stopping);
            }
            catch (OperationCanceledException)
            {
                reached[n] = context.CancelReason;
                throw;
            }
        }
    }

    [Fact]
    public async Task What_a_worker_got_at_one_node_it_may_extend_and_end_at_another_one()
    {
        await using var here = await SocketPeer.GreetedAsync(_second.Addresses.Tcp);
        await here.SendAsync(Frames.Of(1, new SubscribeRequest([new NameCredits("moved", 8)])));
        var plans = new List<PlanHandle>();
        for (int i = 0; i < 6; i++)
            plans.Add(await SubmitAsync("moved", i));
        var ids = new List<ulong>();
        while (ids.Count < plans.Count)
        {
            var frame = (await here.ReceiveAsync())!;
            if (frame.Opcode == Delivery.Opcode)
                ids.Add(frame.As<Delivery>().Id);
        }

        here.Reset();
        await using var there = await SocketPeer.GreetedAsync(_first.Addresses.Tcp);
        ulong nobodys = ids.Max() + 1000;
        var extended = await there.AnswerAsync(2, new ExtendRequest([.. ids, nobodys]));
        Assert.Equal([nobodys], extended.As<ExtendReply>().NotHeld);
        foreach (ulong id in ids)
            Assert.True((await there.AnswerAsync(3, new ProgressRequest(id, 0.5, "half"))).As<ProgressReply>().Held);
        Assert.False((await there.AnswerAsync(4, new ProgressRequest(nobodys, 0.5, null))).As<ProgressReply>().Held);
        var ends = ids.Append(nobodys).Select(id => new DeliveryEnd(id, DeliveryOutcome.Success, null, null, 0));
        var finished = await there.AnswerAsync(5, new FinishRequest([.. ends]));
        Assert.Equal([nobodys], finished.As<FinishReply>().NotHeld);

        foreach (var plan in plans)
            Assert.Equal(PlanTaskStatus.Success, (await plan.WaitAsync(cancellationToken: Stopping)).Status);
    }

    [Fact]
    public async Task Handlers_go_on_while_the_node_that_handed_out_their_tasks_stops()
    {
        var goOn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int started = 0;
        await using var worker = _atSecond.CreateWorker(tasks => tasks.MapTask<int>("steady", (n, context, stopping) =>
        {
            Interlocked.Increment(ref started);
            return goOn.Task;
        }));
        worker.Start();
        var plans = new List<PlanHandle>();
        for (int i = 0; i < 12; i++)
            plans.Add(await SubmitAsync("steady", i));
        await Until.TrueAsync(() => started == plans.Count, "all handlers run");
        var stopped = _first.StopAsync();
        goOn.SetResult();
        await stopped;

        foreach (var plan in plans)
        {
            var task = await Until.AskAsync(
                async () => (await _atSecond.GetAsync(plan.Id, Stopping))!.Task,
                task => task.Status == PlanTaskStatus.Success, "the end counts");
            Assert.Equal(1, task.Attempts);
        }

        Assert.Equal(plans.Count, started);
    }

    private async Task<PlanHandle> SubmitAsync(string name, int argument) => await _atFirst.SubmitAsync(
        new Plan { Name = name, Action = KaryaAction.Task(name, argument) }, Stopping);
}
