using Karya.Protocol;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Node.Tests.Network;

/// <summary>Requests that are refused, on connections that stay.</summary>
public sealed class RefusalTests(SharedNode node) : IClassFixture<SharedNode>
{
    /// <summary>An opcode, a body, the code, and what the message says or its field is.</summary>
    public static TheoryData<Opcode, byte[], ErrorCode, string> Bodies => new()
    {
        { Opcode.Finish, [0x91, 0xDD, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2], ErrorCode.Malformed, "4294967295 items" },
        { Opcode.CreateUser, [0x81, 0xA1, 0x61, 1], ErrorCode.Malformed, "a map" },
        { Opcode.CreateUser, [0xDF, 0xFF, 0xFF, 0xFF, 0xFF], ErrorCode.Malformed, "a map" },
        { Opcode.CreateUser, [0x91, 0xDB, 0xFF, 0xFF, 0xFF, 0xFF, 0x61], ErrorCode.Malformed, "4294967295 bytes" },
        { Opcode.Cancel, [0x91, 0xC6, 0x7F, 0xFF, 0xFF, 0xFF, 0], ErrorCode.Malformed, "2147483647 bytes" },
        { Opcode.Cancel, [0x91, 0xC4, 15, .. new byte[15]], ErrorCode.Malformed, "a UUID has 16" },
        { Opcode.CreateUser, [.. Enumerable.Repeat((byte)0x91, 10_000)], ErrorCode.Malformed, "an array" },
        { Opcode.Submit, [.. Enumerable.Repeat((byte)0x91, 10_000)], ErrorCode.Malformed, "1 items; expected are 3" },
        { Opcode.CreateUser, [0x91, 1], ErrorCode.Malformed, "name must be a text" },
        { Opcode.CreateUser, [0x90], ErrorCode.Malformed, "0 items" },
        { Opcode.CreateUser, [], ErrorCode.Malformed, "missing" },
        { Opcode.CreateUser, [0x92, 0xA1, 0x61, 0xC0], ErrorCode.Malformed, "2 items" },
        { Opcode.CreateUser, [0x91, 0xD4, 1, 1], ErrorCode.Malformed, "an extension" },
        { Opcode.CreateUser, [0x91, 0xD6, 0xFF, 0, 0, 0, 0], ErrorCode.Malformed, "an extension" },
        { Opcode.CreateUser, [0x91, 0xC1], ErrorCode.Malformed, "0xC1" },
        { Opcode.CreateUser, [0x91, 0xA2, 0xC3, 0x28], ErrorCode.InvalidText, "name" },
        { Opcode.CreateUser, [0x91, 0xA3, 0xED, 0xA0, 0x80], ErrorCode.InvalidText, "name" },
        { Opcode.CreateUser, [0x91, 0xA1, 0], ErrorCode.InvalidText, "name" },
        { Opcode.CreateUser, [0x91, 0xA1, 0x61, 7, 7], ErrorCode.Malformed, "2 bytes after the message" },
        { Opcode.Ping, [0x90, 0x90], ErrorCode.Malformed, "1 bytes after the message" },
        { Opcode.Progress, Progress(double.NaN), ErrorCode.OutOfRange, "progress.fraction" },
        { Opcode.Progress, Progress(double.PositiveInfinity), ErrorCode.OutOfRange, "progress.fraction" },
        { Opcode.Progress, Progress(-0.0), ErrorCode.OutOfRange, "progress.fraction" },
        { Opcode.Progress, Progress(1.01), ErrorCode.OutOfRange, "progress.fraction" },
        { Opcode.Result, ResultOf(0xCF, 0x80, 0, 0, 0, 0, 0, 0, 0), ErrorCode.OutOfRange, "2^63" },
        { Opcode.Result, ResultOf(0xCB, 0x3F, 0xF0, 0, 0, 0, 0, 0, 0), ErrorCode.OutOfRange, "whole number" },
        { (Opcode)0x7E, [0x90], ErrorCode.UnknownOpcode, "126" },
        { (Opcode)0xFF, [0x90], ErrorCode.UnknownOpcode, "255" },
        { Opcode.Delivery, [0x90], ErrorCode.UnknownOpcode, "66" },
        { Opcode.None, [0x90], ErrorCode.UnknownOpcode, "0" },
        { Opcode.Subscribe, [0x91, 0x91, 0x92, 0xA2, 0x41, 0x20, 1], ErrorCode.InvalidName, "name" },
        { Opcode.SubmitMany, [0x92, 0, 0x90], ErrorCode.Malformed, "plans" },
        { Opcode.SubmitMany, [0x92, 2, 0x91, 0xC4, 0], ErrorCode.OutOfRange, "durability" },
        { Opcode.SubmitMany, [0x92, 0, 0xDC, 0x27, 0x11, .. new byte[10_001]], ErrorCode.TooManyPlans, "10001" },
    };

    [Theory]
    [MemberData(nameof(Bodies), DisableDiscoveryEnumeration = true)]
    public async Task A_bad_body_is_answered_on_its_correlation_and_the_connection_stays(
        Opcode opcode, byte[] body, ErrorCode expected, string says)
    {
        await using var peer = await node.GreetedAsync();
        await peer.SendAsync(Frames.Raw((byte)opcode, 0xFFFF_FFFF, body));
        var reply = await peer.ReceiveAsync();
        Assert.Equal(0xFFFF_FFFF, reply!.Correlation);
        var error = reply.Error;
        Assert.True(expected == error.Code, error.ToString());
        Assert.Equal(ErrorNames.Of(expected), error.Name);
        Assert.Contains(says, $"{error.Field}: {error.Message}", StringComparison.Ordinal);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(0xFFFF_FFFF, new Ping())).Opcode);
        Assert.Empty(node.Trap.Faults);
    }

    [Fact]
    public async Task A_correlation_in_use_is_refused_and_its_first_request_is_answered()
    {
        await using var peer = await node.GreetedAsync();
        node.Rig.Store.BlockCommits();
        await peer.SendAsync(Submit(9));
        await peer.SendAsync(Frames.Of(9, new Ping()));
        var refused = await peer.ReceiveAsync();
        Assert.Equal((9u, ErrorCode.CorrelationInUse), (refused!.Correlation, refused.Error.Code));
        node.Rig.Store.ReleaseCommits();
        Assert.False((await peer.ReceiveAsync())!.As<SubmitReply>().Existed);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(9, new Ping())).Opcode);
    }

    [Fact]
    public async Task One_request_too_many_is_refused_and_room_comes_back()
    {
        await using var peer = await node.GreetedAsync(SharedNode.Options with { InFlightMax = 4 });
        node.Rig.Store.BlockCommits();
        for (uint i = 1; i <= 4; i++)
            await peer.SendAsync(Submit(i));
        await peer.SendAsync(Submit(5));
        var refused = await peer.ReceiveAsync();
        Assert.Equal((5u, ErrorCode.TooManyInFlight), (refused!.Correlation, refused.Error.Code));

        // Which of the two is wrong is said for a correlation that is in use, too.
        await peer.SendAsync(Submit(4));
        Assert.Equal(ErrorCode.CorrelationInUse, (await peer.ReceiveAsync())!.Error.Code);
        node.Rig.Store.ReleaseCommits();
        var answered = new HashSet<uint>();
        for (int i = 0; i < 4; i++)
        {
            var reply = await peer.ReceiveAsync();
            reply!.As<SubmitReply>();
            Assert.True(answered.Add(reply.Correlation));
        }

        for (uint i = 1; i <= 4; i++)
            await peer.SendAsync(Submit(i));
        for (int i = 0; i < 4; i++)
            (await peer.ReceiveAsync())!.As<SubmitReply>();
    }

    [Fact]
    public async Task A_submit_that_the_store_does_not_answer_is_told_so_once_and_gives_its_place_back()
    {
        await using var peer = await node.GreetedAsync(SharedNode.Options with { InFlightMax = 1 });
        node.Rig.Store.BlockCommits();
        await peer.SendAsync(Submit(1));
        node.Pass(peer, TimeSpan.FromSeconds(10.1));
        Assert.Equal(ErrorCode.Unknown, (await peer.ReceiveAsync())!.Error.Code);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(1, new Ping())).Opcode);
        node.Rig.Store.ReleaseCommits();

        // The late answer of the store finds nothing, whatever has the place now.
        await peer.SendAsync(Submit(2));
        Assert.Equal(2u, (await peer.ReceiveAsync())!.Correlation);
        Assert.Equal(Opcode.Ping | Opcode.Reply, (await peer.AskAsync(3, new Ping())).Opcode);
    }

    [Fact]
    public async Task A_connection_may_take_tasks_of_so_many_names_and_no_more()
    {
        await using var peer = await node.GreetedAsync();
        var names = Enumerable.Range(0, ProtocolLimits.NamesPerWorkerMax).Select(i => new NameCredits($"name-{i}", 1));
        (await peer.AskAsync(1, new SubscribeRequest([.. names]))).As<SubscribeReply>();
        (await peer.AskAsync(1, new SubscribeRequest([new("name-0", 7)]))).As<SubscribeReply>();
        var refused = (await peer.AskAsync(1, new SubscribeRequest([new("one-more", 1)]))).Error;
        Assert.Equal((ErrorCode.OutOfRange, "names"), (refused.Code, refused.Field));
        (await peer.AskAsync(1, new SubscribeRequest([new("name-0", 0)]))).As<SubscribeReply>();
        (await peer.AskAsync(1, new SubscribeRequest([new("one-more", 1)]))).As<SubscribeReply>();
    }

    [Theory]
    [InlineData("ftp://example.com/", ErrorCode.InvalidUrl)]
    [InlineData("http://example.com/ok", ErrorCode.InvalidHeader)]
    public async Task The_hooks_of_an_update_are_judged_as_those_of_a_submit(string url, ErrorCode expected)
    {
        await using var peer = await node.GreetedAsync();
        await peer.SendAsync(Submit(1));
        var plan = (await peer.ReceiveAsync())!.As<SubmitReply>().Plan;
        var action = Frames.Rest(url) with { Headers = [new("x-evil", "a\r\nhost: b")] };
        var update = new UpdateRequest(plan, null, null, [new HookMessage(HookEvent.Failure, 0, action)]);
        Assert.Equal(expected, (await peer.AskAsync(2, update)).Error.Code);
        update = update with { Hooks = [new HookMessage(HookEvent.Failure, 0, new SlackAction("#c", "[]"))] };
        Assert.Equal(ErrorCode.ConnectorMissing, (await peer.AskAsync(2, update)).Error.Code);
        update = update with { Hooks = [new HookMessage(HookEvent.Failure, 0, Frames.Rest())] };
        Assert.Equal(Opcode.Update | Opcode.Reply, (await peer.AskAsync(2, update)).Opcode);
    }

    [Fact]
    public async Task Every_length_of_an_array_is_taken_and_the_plan_can_be_read_back()
    {
        await using var peer = await node.GreetedAsync();
        var writer = new FrameWriter();
        Frames.Far(node.User).Content.Write(writer);
        byte[] content = writer.Written.ToArray();
        byte[] submit = Submit(1);
        int at = submit.AsSpan().IndexOf(content);
        foreach (byte[] header in new byte[][] { [0xDC, 0, 3], [0xDD, 0, 0, 0, 3] })
        {
            foreach (byte[] key in new byte[][] { [0xC0], [0xA1, (byte)('a' + header.Length)] })
            {
                const int KeyAt = FrameHeader.Bytes + 2;
                byte[] body =
                [
                    .. submit[FrameHeader.Bytes..KeyAt], .. key, .. submit[(KeyAt + 1)..at], .. header,
                    .. content[1..], .. submit[(at + content.Length)..],
                ];
                await peer.SendAsync(Frames.Raw((byte)Opcode.Submit, 1, body));
                var plan = (await peer.ReceiveAsync())!.As<SubmitReply>().Plan;
                var details = (await peer.AskAsync(2, new GetRequest(plan))).As<PlanDetails>();
                Assert.Equal("a plan for the far future", details.Plan.Content.Name);
            }
        }
    }

    private byte[] Submit(uint correlation) =>
        Frames.Of(correlation, new SubmitRequest(Frames.Far(node.User), Durability.Durable, null));

    private static byte[] Progress(double fraction) =>
        [0x93, 1, 0xCB, .. BitConverter.GetBytes(fraction).Reverse(), 0xC0];

    private static byte[] ResultOf(params byte[] occurrence) =>
        [0x93, 0xC4, 16, .. new byte[16], .. occurrence, 0];
}
