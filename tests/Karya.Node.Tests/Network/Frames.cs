using System.Buffers;
using System.Buffers.Binary;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Tests.Network;

/// <summary>Frames as bytes, good ones and others.</summary>
internal static class Frames
{
    private const long DayMs = 24 * 3_600_000;

    private static readonly PolicyMessage Policy = new(3, 100, 60_000, MissedRuns.Once);

    public static byte[] Of<T>(uint correlation, T message) where T : IMessage<T>
    {
        var writer = new FrameWriter();
        writer.Write(correlation, message);
        return writer.Written.ToArray();
    }

    public static byte[] Hello => Of(1, new Hello(1, 1, "peer", null));

    public static byte[] Raw(byte opcode, uint correlation, params byte[] body) =>
        Raw(FrameHeader.LengthMin + body.Length, ProtocolVersion.Max, opcode, correlation, body);

    public static byte[] Raw(int length, byte version, byte opcode, uint correlation, byte[] body)
    {
        byte[] frame = new byte[FrameHeader.Bytes + body.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, length);
        frame[FrameHeader.VersionOffset] = version;
        frame[FrameHeader.OpcodeOffset] = opcode;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(FrameHeader.CorrelationOffset), correlation);
        body.CopyTo(frame, FrameHeader.Bytes);
        return frame;
    }

    public static Received? TryCut(ref ReadOnlySequence<byte> buffer)
    {
        var status = FrameReader.TryRead(ref buffer, 64 * 1024 * 1024, out var frame);
        if (status == FrameReadStatus.Incomplete)
            return null;
        if (status != FrameReadStatus.Complete)
            throw new InvalidOperationException($"The node sent what is no frame: {status}.");
        return new Received(frame.Opcode, frame.Correlation, frame.Body.ToArray());
    }

    /// <summary>A plan that calls a URL, far in the future: some 270 bytes.</summary>
    public static PlanMessage Far(UInt128 user, ActionMessage? action = null, params HookMessage[] hooks) => new(
        user, new ScheduleMessage.After(30 * DayMs), Policy,
        new ContentMessage("a plan for the far future", action ?? Rest(), hooks));

    public static RestAction Rest(string url = "http://127.0.0.1:9/some/path?and=query") => new(
        "POST", url, [new("content-type", "application/json"), new("x-request", "some value")],
        """{"order":4711,"items":[1,2,3],"note":"as agreed"}""", 2000);

    public static TaskAction Task(string name = "resize-image") => new(name, [0x7B, 0x7D], 60_000);

    /// <summary>Every request, and every form that a submit has. All with correlation 7.</summary>
    public static IReadOnlyList<byte[]> Requests(UInt128 user, UInt128 plan)
    {
        var hooks = new[]
        {
            new HookMessage(HookEvent.Failure, 1, Rest()), new HookMessage(HookEvent.Completion, 0, Task()),
        };
        return
        [
            .. Submits(user, hooks).Select(message => Of(7, message)),
            Of(7, new SubmitManyRequest(
                Durability.Accepted, [new KeyedPlan(Far(user), null), new KeyedPlan(Far(user, Task()), "k2")])),
            Of(7, new UpdateRequest(plan, 3_600_000, 5, hooks)),
            Of(7, new UpdateRequest(plan, null, null, null)),
            Of(7, new CancelRequest(plan)),
            Of(7, new GetRequest(plan)),
            Of(7, new ListRequest(user, PlanStatus.Running, 100, null)),
            Of(7, new SummaryRequest(plan)),
            Of(7, new TasksRequest(plan, 100, [1, 2, 3])),
            Of(7, new ErrorsRequest(plan, 100, null)),
            Of(7, new FindUserRequest("nobody")),
            Of(7, new TriggerRequest(plan)),
            Of(7, new ResultRequest(plan, 7, 32)),
            Of(7, new MapRequest()),
            Of(7, new StatsRequest()),
            Of(7, new Ping()),
            Of(7, new SubscribeRequest([new NameCredits("fuzz-task", 3), new NameCredits("b", 0)])),
            Of(7, new FinishRequest(
            [
                new DeliveryEnd(42, DeliveryOutcome.Success, [1, 2], null, 0),
                new DeliveryEnd(43, DeliveryOutcome.Failure, null, "Timed out.", 5000),
                new DeliveryEnd(44, DeliveryOutcome.Released, null, null, 0),
            ])),
            Of(7, new ExtendRequest([42, ulong.MaxValue])),
            Of(7, new ProgressRequest(42, 0.5, "half")),
        ];
    }

    private static IEnumerable<SubmitRequest> Submits(UInt128 user, HookMessage[] hooks)
    {
        var chain = Far(user, new ChainAction(Far(user, Task(), hooks)));
        ScheduleMessage[] schedules =
        [
            new ScheduleMessage.At(4_000_000_000_000), new ScheduleMessage.Every(DayMs, 4_000_000_000_000, null),
            new ScheduleMessage.Cron("30 2 1 1 *", "Europe/Berlin", null),
        ];
        yield return new SubmitRequest(Far(user, null, hooks), Durability.Durable, null);
        yield return new SubmitRequest(chain, Durability.Accepted, "key");
        foreach (var schedule in schedules)
            yield return new SubmitRequest(Far(user) with { Schedule = schedule }, Durability.Accepted, null);
    }
}
