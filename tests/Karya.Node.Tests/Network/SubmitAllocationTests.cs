using System.Runtime.CompilerServices;
using System.Text.Json;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>
/// What a connection's reader allocates, from the bytes of a request to the command in a shard's inbox. On the pipe of
/// these tests it runs on the thread that sends, so that the number is exact.
/// </summary>
[CollectionDefinition(nameof(SubmitAllocationTests), DisableParallelization = true)]
[Collection(nameof(SubmitAllocationTests))]
public sealed class SubmitAllocationTests(SharedNode node, ITestOutputHelper output) : IClassFixture<SharedNode>
{
    private const int Batches = 400;
    private const int WarmUps = 200;

    /// <summary>Fewer than the shared pool keeps of a size: bodies come back from the shards in time.</summary>
    private const int PlansPerBatch = 16;

    /// <summary>Of a plan: arrays that the pool did not have at the moment.</summary>
    private static readonly double SubmitBytesMax = Budget("wire.submit.bytes");

    private static readonly double FinishBytesMax = Budget("wire.finish.bytes");

    [Fact]
    public async Task Submitting_a_plan_allocates_next_to_nothing()
    {
        double each = await MeasureAsync(Frames.Far(node.User));
        Assert.InRange(each, 0, SubmitBytesMax);

        // Hooks are an array of their own. If it were not seen, the measurement would be wrong.
        var hook = new HookMessage(HookEvent.Failure, 1, Frames.Rest());
        Assert.InRange(await MeasureAsync(Frames.Far(node.User, null, hook)), 32, 32 + SubmitBytesMax);
    }

    private static double Budget(string name, [CallerFilePath] string thisFile = "")
    {
        string path = Path.Combine(Path.GetDirectoryName(thisFile)!, "..", "..", "..", "benchmarks", "budgets.json");
        using var budgets = JsonDocument.Parse(File.ReadAllText(path));
        return budgets.RootElement.GetProperty(name).GetDouble();
    }

    private async Task<double> MeasureAsync(PlanMessage plan)
    {
        await using var peer = await node.GreetedAsync();
        byte[] batch = [.. Enumerable.Range(1, PlansPerBatch).SelectMany(i => Frames.Of(
            (uint)i, new SubmitRequest(plan, Durability.Accepted, null)))];
        long bytes = 0;
        long total = 0;
        for (int i = -WarmUps; i < Batches; i++)
        {
            long before = GC.GetTotalAllocatedBytes();
            long allocated = peer.SendAndMeasure(batch);
            await peer.AnswersAsync(PlansPerBatch);
            bytes += i < 0 ? 0 : allocated;
            total += i < 0 ? 0 : GC.GetTotalAllocatedBytes() - before;
        }

        const double Plans = Batches * PlansPerBatch;
        output.WriteLine(
            $"{bytes / Plans:F1} bytes for each plan of {batch.Length / PlansPerBatch} bytes on the reader; "
            + $"{total / Plans:F0} in the whole process, with the store and the test.");
        return bytes / Plans;
    }

    [Fact]
    public async Task Ending_a_task_allocates_little()
    {
        await using var peer = await node.GreetedAsync();
        (await peer.AskAsync(1, new SubscribeRequest([new NameCredits("ends", 1000)]))).As<SubscribeReply>();
        long bytes = 0;
        for (int i = -WarmUps; i < Batches; i++)
        {
            var ends = await DeliverAsync(peer);
            long allocated = peer.SendAndMeasure(Frames.Of(999, new FinishRequest(ends)));
            bytes += i < 0 ? 0 : allocated;
            Assert.Empty((await peer.ReceiveAsync())!.As<FinishReply>().NotHeld);
        }

        double each = (double)bytes / (Batches * PlansPerBatch);
        output.WriteLine($"{each:F1} bytes for each task that is ended, {PlansPerBatch} at a time.");
        Assert.InRange(each, 0, FinishBytesMax);
    }

    /// <summary>Submits tasks that are due at once, and waits until the worker has them.</summary>
    private async Task<DeliveryEnd[]> DeliverAsync(PipePeer peer)
    {
        var plan = Frames.Far(node.User, Frames.Task("ends")) with { Schedule = new ScheduleMessage.After(0) };
        for (uint i = 1; i <= PlansPerBatch; i++)
            await peer.SendAsync(Frames.Of(i, new SubmitRequest(plan, Durability.Accepted, null)));
        var ends = new List<DeliveryEnd>();
        for (int left = 2 * PlansPerBatch; left > 0; left--)
        {
            var frame = await peer.ReceiveAsync();
            if (frame!.Opcode == Opcode.Delivery)
                ends.Add(new DeliveryEnd(frame.As<Delivery>().Id, DeliveryOutcome.Success, null, null, 0));
        }

        return [.. ends];
    }
}
