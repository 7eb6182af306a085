using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Benchmarks.Wire;

/// <summary>
/// Connections that send prepared frames as fast as replies come in, so many deep. As cheap as it gets: what is
/// measured is the server.
/// </summary>
internal sealed class LoadClient(IPEndPoint server, UInt128 user, Durability durability)
{
    public const int PlansPerFrame = 100;

    private const int BufferBytes = 256 * 1024;
    private const int RefusedPauseMs = 5;

    /// <summary>Plans of about 270 bytes a frame, as users submit them.</summary>
    private readonly byte[] _frame = MakeFrame(user, durability, many: false);

    private readonly byte[] _manyFrame = MakeFrame(user, durability, many: true);

    /// <summary>Plans per second, until the last answer.</summary>
    /// <param name="plans">In all.</param>
    /// <param name="deep">Frames of a connection that are unanswered.</param>
    /// <param name="many">Frames of <see cref="PlansPerFrame"/> plans.</param>
    public double Run(int connections, int deep, bool many, int plans)
    {
        int framesEach = plans / connections / (many ? PlansPerFrame : 1);
        long started = Stopwatch.GetTimestamp();
        var running = Enumerable.Range(0, connections)
            .Select(_ => Task.Run(() => RunOneAsync(many ? _manyFrame : _frame, deep, framesEach))).ToArray();
        long frames = Task.WhenAll(running).GetAwaiter().GetResult().Sum();
        return frames * (many ? PlansPerFrame : 1) / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private async Task<long> RunOneAsync(byte[] frame, int deep, int frames)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
        {
            NoDelay = true,
        };
        await socket.ConnectAsync(server);
        byte[] incoming = new byte[BufferBytes];
        byte[] outgoing = new byte[frame.Length * deep];
        for (int i = 0; i < deep; i++)
            frame.CopyTo(outgoing, i * frame.Length);
        var hello = new FrameWriter();
        hello.Write(1, new Hello(1, 1, "karya-benchmarks", null));
        await socket.SendAsync(hello.Written);
        int left = await ReadOneAsync(socket, incoming);
        if (left > 0)
            throw new InvalidOperationException("Something came that was not asked for.");

        uint correlation = 1;
        long answered = 0;
        int unanswered = 0;
        int allowed = deep;
        long toSend = frames;
        int filled = 0;
        while (true)
        {
            int count = (int)Math.Min(allowed, toSend);
            if (count > 0)
            {
                var batch = outgoing.AsMemory(0, count * frame.Length);
                for (int i = 0; i < count; i++)
                {
                    BinaryPrimitives.WriteUInt32BigEndian(
                        outgoing.AsSpan(i * frame.Length + FrameHeader.CorrelationOffset), ++correlation);
                }

                unanswered += count;
                allowed -= count;
                toSend -= count;
                while (!batch.IsEmpty)
                    batch = batch[await socket.SendAsync(batch)..];
            }

            if (unanswered == 0)
                return answered;
            filled += await ReceiveAsync(socket, incoming.AsMemory(filled));
            int taken = CountReplies(incoming.AsSpan(0, filled), out int replies, out int refused);
            incoming.AsSpan(taken, filled - taken).CopyTo(incoming);
            filled -= taken;
            answered += replies - refused;
            unanswered -= replies;
            allowed += replies;
            toSend += refused;
            if (refused > 0)
                await Task.Delay(RefusedPauseMs); // Too fast for the store: sent again.
        }
    }

    private static async Task<int> ReceiveAsync(Socket socket, Memory<byte> buffer)
    {
        int count = await socket.ReceiveAsync(buffer);
        return count > 0 ? count : throw new InvalidOperationException("The server has closed the connection.");
    }

    private static async Task<int> ReadOneAsync(Socket socket, byte[] buffer)
    {
        int filled = 0;
        while (true)
        {
            filled += await ReceiveAsync(socket, buffer.AsMemory(filled));
            int taken = CountReplies(buffer.AsSpan(0, filled), out int count, out _);
            if (count > 0)
                return filled - taken;
        }
    }

    /// <summary>Whole frames at the beginning. An error but that of an overloaded node ends the run.</summary>
    private static int CountReplies(ReadOnlySpan<byte> bytes, out int count, out int refused)
    {
        int at = 0;
        count = 0;
        refused = 0;
        while (bytes.Length - at >= FrameHeader.Bytes)
        {
            int length = FrameHeader.LengthBytes + BinaryPrimitives.ReadInt32BigEndian(bytes[at..]);
            if (bytes.Length - at < length)
                break;
            if (bytes[at + FrameHeader.OpcodeOffset] == (byte)Opcode.Error)
            {
                CheckIsOverload(bytes.Slice(at, length)[FrameHeader.Bytes..]);
                refused++;
            }

            at += length;
            count++;
        }

        return at;
    }

    private static void CheckIsOverload(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        var error = ErrorMessage.Read(ref reader);
        if (error.Code != ErrorCode.Overloaded)
            throw new InvalidOperationException(error.ToString());
    }

    private static byte[] MakeFrame(UInt128 user, Durability durability, bool many)
    {
        var action = new RestAction(
            "POST", "https://orders.example.org/api/v2/orders/8842/remind?src=karya",
            [new("content-type", "application/json")], "{\"order\":8842,\"kind\":\"reminder\"}", 2000);
        var plan = new PlanMessage(
            user, new ScheduleMessage.After(300_000), new PolicyMessage(3, null, null, MissedRuns.Once),
            new ContentMessage("remind about order 8842", action, []));
        var writer = new FrameWriter();
        if (many)
        {
            writer.Write(1, new SubmitManyRequest(
                durability, [.. Enumerable.Repeat(new KeyedPlan(plan, null), PlansPerFrame)]));
        }
        else
        {
            writer.Write(1, new SubmitRequest(plan, durability, null));
        }

        return writer.Written.ToArray();
    }
}
