using System.Buffers;
using Karya.Engine;
using Karya.Node.Plans;
using Karya.Node.Tests.Network;
using Karya.Protocol;
using Karya.Protocol.Messages;
using Karya.Protocol.Tests;
using Xunit;
using WireRest = Karya.Protocol.Messages.RestAction;

namespace Karya.Node.Tests.Plans;

/// <summary>
/// Two readers of one form: <see cref="SubmissionReader"/> must take nothing that <see cref="PlanMessage"/> refuses,
/// and refuse nothing else but what the node judges beyond the form.
/// </summary>
public sealed class SubmissionReaderTests(ITestOutputHelper output)
{
    private const int Cases = 200_000;
    private static readonly UInt128 User = new(0x0192_0000_0000_7000, 0x8000_0000_0000_0007);

    /// <summary>What only the node judges: its connectors, where plans may call, and rules between slots.</summary>
    private static readonly HashSet<(ErrorCode, string)> Stricter =
    [
        (ErrorCode.ConnectorMissing, "action.kind"), (ErrorCode.InvalidUrl, "action.url"),
        (ErrorCode.InvalidHeader, "action.headers"), (ErrorCode.InvalidName, "action.name"),
        (ErrorCode.OutOfRange, "action.method"), (ErrorCode.OutOfRange, "action.timeout"),
        (ErrorCode.OutOfRange, "policy.delay"), (ErrorCode.CronInvalid, "schedule.cron"),
        (ErrorCode.InvalidId, "plan.id"), (ErrorCode.PayloadTooLarge, "plan"),
    ];

    private static readonly string[] Schemes = ["http://", "https://", "HTTP://", "hTTps://"];
    private static readonly string[] Userinfos = ["", "u@", "u:p@", "u:80@", "u@v@"];
    private static readonly string[] Ports = ["", ":80", ":0080", ":65535", ":0", ":65536", ":+1", ":", ":1:2"];
    private static readonly string[] Paths = ["", "/", "/a:b@c", "?q=1:2", "#f", "\\x", "/ü", "/%zz"];

    private static readonly string[] Hosts =
    [
        "a", "EXAMPLE.com", "1.2.3.4", "999.1.1.1", "[::1]", "[FE80::A]", "x_y", "-", "a..b", ".", "a.", "a-.b", "a.-b",
        "münchen.example", "a%41", new string('a', 64) + ".example", new string('a', 63) + ".example",
    ];

    private int _accepted;
    private int _stricter;

    [Fact]
    public void Both_readers_judge_alike_and_what_is_stored_is_what_was_sent()
    {
        int seed = Seed.Take();
        output.WriteLine(Seed.Describe(seed));
        var fuzzer = new Fuzzer(seed, [.. Plans().Select(Frame)]);
        foreach (var plan in Plans())
            Compare(Frame(plan).AsSpan(FrameHeader.Bytes));
        for (int i = 0; i < Cases; i++)
        {
            var frame = fuzzer.Next().Span;
            if (frame.Length > FrameHeader.Bytes)
                Compare(frame[FrameHeader.Bytes..]);
        }

        output.WriteLine($"{_accepted:N0} of {Cases:N0} accepted, {_stricter:N0} refused by the node alone.");
        Assert.True(_accepted > Cases / 50 && _stricter > Cases / 200, "The plans are damaged too much or too little.");
    }

    [Fact]
    public void The_lane_of_a_url_is_that_of_the_same_action_of_v1_and_what_is_taken_can_be_called()
    {
        int taken = 0;
        var wrong = new List<string>();
        foreach (string url in Urls())
        {
            var plan = Frames.Far(User, Frames.Rest(url));
            if (Read(plan) is not { } lane)
                continue;
            taken++;
            var rest = new Karya.Node.Plans.RestAction(
                url.StartsWith("https", StringComparison.OrdinalIgnoreCase), url, "GET", [], null, 1);
            bool isCallable = Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Host.Length > 0
                && uri.Port is > 0 and < 65_536;
            if (!isCallable || Lanes.Of(rest) != lane)
                wrong.Add(url);
        }

        output.WriteLine($"{taken} URLs are taken.");
        Assert.InRange(taken, 200, int.MaxValue);
        Assert.Empty(wrong);
    }

    [Theory]
    [InlineData("http://user:secret@example.com/", true)]
    [InlineData("http://user:80@example.com/", true)]
    [InlineData("http://user@example.com:8080/", true)]
    [InlineData("https://[::1]:8443/x", true)]
    [InlineData("HTTP://EXAMPLE.com", true)]
    [InlineData("http://", false)]
    [InlineData("http:///x", false)]
    [InlineData("http://example.com:0/", false)]
    [InlineData("http://example.com:65536/", false)]
    [InlineData("http://example.com:+80/", false)]
    [InlineData("http://example.com:8x/", false)]
    [InlineData("http://exa mple.com/", false)]
    [InlineData("http://example.com/a\nb", false)]
    [InlineData("example.com/x", false)]
    [InlineData("ftp://example.com/", false)]
    [InlineData("file:///etc/passwd", false)]
    public void A_url_is_taken_when_it_can_be_called(string url, bool isTaken) =>
        Assert.Equal(isTaken, Read(Frames.Far(User, Frames.Rest(url))) is not null);

    [Fact]
    public void A_chain_may_be_as_deep_as_it_may_be_and_no_deeper()
    {
        var plan = Frames.Far(User);
        for (int depth = 2; depth <= ProtocolLimits.ChainDepthMax; depth++)
            plan = Frames.Far(User, new ChainAction(plan));
        Assert.NotNull(Read(plan));
        Assert.Null(Read(Frames.Far(User, new ChainAction(plan))));
        Assert.Null(Read(Frames.Far(User, null, new HookMessage(HookEvent.Failure, 0, new ChainAction(plan)))));
    }

    private static byte[] Frame(PlanMessage plan) =>
        Frames.Of(1, new SubmitRequest(plan, Durability.Durable, plan.Id is null ? "k" : null));

    /// <summary>The lane; null when the plan is refused.</summary>
    private static uint? Read(PlanMessage plan)
    {
        var writer = new FrameWriter();
        plan.Write(writer);
        var reader = new WireReader(writer.Written.Span);
        if (!SubmissionReader.TryRead(ref reader, ActionRules.None, default, out var submission))
            return null;
        ArrayPool<byte>.Shared.Return(submission.Body);
        return submission.Spec.Lane;
    }

    private void Compare(ReadOnlySpan<byte> body)
    {
        var wire = new WireReader(body);
        var message = SubmitRequest.Read(ref wire);
        bool isMessage = wire.TryEnd();

        var reader = new WireReader(body);
        reader.ReadArray("submit", 3, 3);
        SubmitRequest.ReadDurability(ref reader);
        var key = reader.TryReadNil() ? default : reader.ReadUtf8("key", ProtocolLimits.KeyBytesMax);
        bool isTaken = SubmissionReader.TryRead(ref reader, ActionRules.None, key, out var submission);

        string bytes = Convert.ToHexString(body);
        if (isTaken)
        {
            Assert.True(isMessage, $"Only the node takes {bytes}: {wire.Fault}");
            _accepted++;
            CompareContent(message.Plan, submission, bytes);
            ArrayPool<byte>.Shared.Return(submission.Body);
        }
        else if (Stricter.Contains((reader.Fault!.Code, reader.Fault.Slot)))
        {
            _stricter++;
        }
        else
        {
            Assert.False(isMessage, $"Only the message takes {bytes}: {reader.Fault}");
            Assert.True(reader.Fault == wire.Fault, $"{bytes}: {reader.Fault} and {wire.Fault}");
        }
    }

    private static void CompareContent(PlanMessage plan, in Submission submission, string bytes)
    {
        var draft = WireActions.Of(plan);
        var stored = PlanBodyCodec.Read(submission.Body.AsSpan(0, submission.BodyBytes));
        Assert.True(Encode(stored).SequenceEqual(Encode(draft.Body)), bytes);
        Assert.Equal(submission.Id == PlanId.None ? null : submission.Fingerprint, stored.Fingerprint);
        Assert.Equal(plan.User, submission.Spec.User.Value);
        Assert.Equal(1 + plan.Policy.Retries, submission.Spec.AttemptsMax);
        Assert.Equal((int)plan.Policy.Missed, (int)submission.Spec.Misfire);
        Assert.Equal(Lanes.Of(draft.Body.Action), submission.Spec.Lane);
        Assert.Equal(draft.Body.Action is WorkerAction, submission.Spec.IsPulled);
        Assert.Equal(
            draft.Body.Hooks.Select(hook => new HookSpec(
                hook.Trigger, 1 + hook.RetriesMax, Lanes.Of(hook.Action), hook.Action is WorkerAction)),
            submission.Hooks ?? []);
    }

    private static byte[] Encode(PlanBody body)
    {
        var writer = new FrameWriter();
        WireActions.ToMessage(body).Write(writer);
        return writer.Written.ToArray();
    }

    private static IEnumerable<PlanMessage> Plans()
    {
        HookMessage[] hooks =
        [
            new(HookEvent.Failure, 2, Frames.Task("on-failure")), new(HookEvent.Completion, 0, Frames.Rest()),
        ];
        var plan = Frames.Far(User);
        yield return plan;
        yield return Frames.Far(User, Frames.Task(), hooks);
        yield return Frames.Far(User, new ChainAction(Frames.Far(User, new ChainAction(plan), hooks)), hooks[0]);
        yield return Frames.Far(User, new WireRest("GET", "https://[::1]:8443/ü", [], null, 0));
        yield return Frames.Far(User, new Protocol.Messages.SlackAction("#ops", "[]"));
        yield return Frames.Far(User, new Protocol.Messages.EmailAction("a@example.com", "s", "m"));
        yield return Frames.Far(User, new Protocol.Messages.KafkaAction("topic", null, "value"));
        yield return plan with { Schedule = new ScheduleMessage.At(4_000_000_000_000), Id = 42 };
        yield return plan with { Schedule = new ScheduleMessage.Every(60_000, 1, 4_000_000_000_000) };
        yield return plan with { Schedule = new ScheduleMessage.Cron("*/5 0 3 * * *", "UTC", null) };
        yield return plan with { Policy = new PolicyMessage(0, null, null, MissedRuns.All) };
    }

    private static IEnumerable<string> Urls() =>
        from scheme in Schemes
        from userinfo in Userinfos
        from host in Hosts
        from port in Ports
        from path in Paths
        select scheme + userinfo + host + port + path;
}
