using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Karya.Protocol.Tests;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>
/// A million damaged requests through whole connections into a whole node. Alone, because it measures the memory of the
/// process.
/// </summary>
[CollectionDefinition(nameof(ConnectionFuzzTests), DisableParallelization = true)]
[Collection(nameof(ConnectionFuzzTests))]
public sealed class ConnectionFuzzTests(SharedNode node, ITestOutputHelper output) : IClassFixture<SharedNode>
{
    private const int FramesMin = 1_000_000;
    private const int Sessions = 4;
    private const int FramesPerBatch = 500;
    private const int BatchesPerConnection = 20;

    /// <summary>Of what is kept for each plan that was taken; and of caches, which have their own bounds.</summary>
    private const long BytesPerPlanMax = 2048;
    private const long BytesMax = 48 * 1024 * 1024;

    private static readonly UInt128 NoPlan = new(0x0192_0000_0000_7000, 0x8000_0000_0000_0001);

    private long _frames;
    private long _refused;
    private long _plans;
    private long _connections;

    [Fact]
    public async Task A_million_damaged_requests_are_all_answered_once()
    {
        int seed = Seed.Take();
        output.WriteLine(Seed.Describe(seed));
        var requests = Frames.Requests(node.User, NoPlan);
        byte[][] frames = [.. requests, .. requests.Take(6), .. requests.Take(6), .. requests.TakeLast(4)];
        await RunAsync(seed + 1000, frames, FramesMin / 10);
        (long frameCount, long planCount) = (_frames, _plans);
        long memory = GC.GetTotalMemory(forceFullCollection: true);
        long start = Stopwatch.GetTimestamp();

        await RunAsync(seed, frames, FramesMin);

        var time = Stopwatch.GetElapsedTime(start);
        long growth = GC.GetTotalMemory(forceFullCollection: true) - memory;
        output.WriteLine(
            $"{_frames - frameCount:N0} frames in {time.TotalSeconds:F1} s on {_connections:N0} connections: "
            + $"{_refused:N0} refused, {_plans:N0} plans taken; memory grew by {growth / 1024:N0} KiB.");
        Assert.Empty(node.Trap.Faults);
        Assert.False(node.Rig.Node.Failed.IsCompleted, "The node gave up.");
        Assert.InRange(growth, long.MinValue, BytesMax + BytesPerPlanMax * (_plans - planCount));
        Assert.True(
            _plans > FramesMin / 100 && _refused > FramesMin / 5, "The frames are damaged too much or too little.");
        await using var peer = await node.GreetedAsync();
        (await peer.AskAsync(2, new SubmitRequest(Frames.Far(node.User), Durability.Durable, null))).As<SubmitReply>();
    }

    private async Task RunAsync(int seed, byte[][] frames, int framesMin)
    {
        var tasks = new Task[Sessions];
        for (int i = 0; i < Sessions; i++)
        {
            var fuzzer = new Fuzzer(seed + i, frames);
            tasks[i] = Task.Run(async () =>
            {
                for (int sent = 0; sent < framesMin / Sessions;)
                    sent += await RunConnectionAsync(fuzzer, seed);
            });
        }

        await Task.WhenAll(tasks);
    }

    /// <summary>Some batches on one connection, which then ends in some way. Returns how many frames.</summary>
    private async Task<int> RunConnectionAsync(Fuzzer fuzzer, int seed)
    {
        Interlocked.Increment(ref _connections);
        await using var peer = await node.GreetedAsync(SharedNode.Options with { InFlightMax = FramesPerBatch });
        for (int batch = 0; batch < BatchesPerConnection; batch++)
            await RunBatchAsync(peer, fuzzer, seed);
        if (fuzzer.Below(4) > 0)
            await peer.SendAsync(fuzzer.Next()); // As it is: often no frame at all.
        return BatchesPerConnection * FramesPerBatch;
    }

    private async Task RunBatchAsync(PipePeer peer, Fuzzer fuzzer, int seed)
    {
        var bytes = new ArrayBufferWriter<byte>(256 * 1024);
        for (uint i = 1; i <= FramesPerBatch; i++)
            Write(fuzzer, i, bytes);
        await peer.SendAsync(bytes.WrittenMemory);

        bool[] isAnswered = new bool[FramesPerBatch + 1];
        int answers = 0;
        while (answers < FramesPerBatch)
        {
            await peer.ReceiveAllAsync(frame =>
            {
                if (frame.Correlation == 0 && frame.Opcode is Opcode.Delivery or Opcode.Revoke)
                    return;
                answers++;
                Judge(frame, isAnswered, seed);
            });
        }

        Interlocked.Add(ref _frames, FramesPerBatch);
    }

    private void Judge(Received reply, bool[] isAnswered, int seed)
    {
        if (reply.Correlation is 0 or > FramesPerBatch || isAnswered[reply.Correlation])
            throw new InvalidOperationException($"{Seed.Describe(seed)}: not expected: {Describe(reply)}");
        isAnswered[reply.Correlation] = true;
        if (reply.Opcode == (Opcode.Submit | Opcode.Reply))
            Interlocked.Increment(ref _plans);
        if (!reply.IsError)
            return;
        Interlocked.Increment(ref _refused);
        var error = reply.Error;
        if (error.Code is ErrorCode.None or ErrorCode.Internal or ErrorCode.CorrelationInUse
            or ErrorCode.TooManyInFlight || error.Message.Length == 0)
        {
            throw new InvalidOperationException($"{Seed.Describe(seed)}: {error}");
        }
    }

    private static string Describe(Received reply) => reply.IsError
        ? $"{reply.Correlation}: {reply.Error}"
        : $"{reply.Correlation}: {reply.Opcode}";

    /// <summary>A frame that can be cut and belongs to a request, whatever is in it.</summary>
    private static void Write(Fuzzer fuzzer, uint correlation, ArrayBufferWriter<byte> target)
    {
        var source = fuzzer.Next();
        while (source.Length < FrameHeader.Bytes)
            source = fuzzer.Next();
        var frame = target.GetSpan(source.Length)[..source.Length];
        source.Span.CopyTo(frame);
        BinaryPrimitives.WriteInt32BigEndian(frame, source.Length - FrameHeader.LengthBytes);
        frame[FrameHeader.VersionOffset] = ProtocolVersion.Max;
        if (frame[FrameHeader.OpcodeOffset] == (byte)Opcode.Hello)
            frame[FrameHeader.OpcodeOffset] = (byte)Opcode.Submit;
        BinaryPrimitives.WriteUInt32BigEndian(frame[FrameHeader.CorrelationOffset..], correlation);
        target.Advance(source.Length);
    }
}
