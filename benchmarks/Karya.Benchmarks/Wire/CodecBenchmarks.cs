using System.Buffers;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using Karya.Protocol;
using Karya.Protocol.Messages;
using MessagePack;

namespace Karya.Benchmarks.Wire;

/// <summary>
/// The body of a SUBMIT of 265 bytes (a task with 150 bytes of arguments), slot by slot with our reader and writer and
/// with those of the MessagePack package: texts and binaries stay slices of the body, nothing is made of them. Beside
/// it what a whole message costs with its objects, and what it costs to refuse one.
/// </summary>
[MemoryDiagnoser]
[MinColumn, MedianColumn]
[SimpleJob(RunStrategy.Throughput, warmupCount: 3, iterationCount: 15)]
public class CodecBenchmarks
{
    private static readonly UInt128 User = new(0x0192_F0C1_2B3C_7D4E, 0x8F50_6172_8394_A5B6);

    private readonly byte[] _arguments = new byte[150];
    private readonly byte[] _user = new byte[16];
    private readonly FrameWriter _frames = new();
    private readonly ArrayBufferWriter<byte> _buffer = new(4096);
    private byte[] _body = [];
    private byte[] _wrong = [];
    private SubmitRequest? _submit;

    [GlobalSetup]
    public void Fill()
    {
        var content = new ContentMessage("resize the images", new TaskAction("resize-image", _arguments, 60_000), []);
        var policy = new PolicyMessage(3, 1000, 60_000, MissedRuns.Once);
        var plan = new PlanMessage(User, new ScheduleMessage.At(1_795_400_000_000), policy, content);
        _submit = new SubmitRequest(plan, Durability.Durable, "order-4711-of-the-9th-of-march");
        WriteMessage();
        _body = _frames.Written[FrameHeader.Bytes..].ToArray();
        _wrong = [.. _body];
        _wrong[^2] = 0xC1; // The last slot but one: hooks.
        if (Write() != _body.Length || WriteWithPackage() != _body.Length || Read() != ReadWithPackage())
            throw new InvalidOperationException("The codecs differ.");
    }

    [Benchmark]
    public int Write()
    {
        _frames.Clear();
        _frames.WriteArray(3);
        _frames.WriteInt64(0);
        _frames.WriteUtf8("order-4711-of-the-9th-of-march"u8);
        _frames.WriteArray(5);
        _frames.WriteUuid(User);
        _frames.WriteArray(2);
        _frames.WriteInt64(2);
        _frames.WriteInt64(1_795_400_000_000);
        _frames.WriteArray(4);
        _frames.WriteInt64(3);
        _frames.WriteInt64(1000);
        _frames.WriteInt64(60_000);
        _frames.WriteInt64(0);
        _frames.WriteArray(3);
        _frames.WriteUtf8("resize the images"u8);
        _frames.WriteArray(4);
        _frames.WriteInt64(6);
        _frames.WriteUtf8("resize-image"u8);
        _frames.WriteBinary(_arguments);
        _frames.WriteInt64(60_000);
        _frames.WriteArray(0);
        _frames.WriteNil();
        return _frames.Length;
    }

    [Benchmark]
    public int WriteWithPackage()
    {
        _buffer.ResetWrittenCount();
        var writer = new MessagePackWriter(_buffer);
        writer.WriteArrayHeader(3);
        writer.Write(0);
        writer.WriteString("order-4711-of-the-9th-of-march"u8);
        writer.WriteArrayHeader(5);
        writer.Write(_user);
        writer.WriteArrayHeader(2);
        writer.Write(2);
        writer.Write(1_795_400_000_000);
        writer.WriteArrayHeader(4);
        writer.Write(3);
        writer.Write(1000);
        writer.Write(60_000);
        writer.Write(0);
        writer.WriteArrayHeader(3);
        writer.WriteString("resize the images"u8);
        writer.WriteArrayHeader(4);
        writer.Write(6);
        writer.WriteString("resize-image"u8);
        writer.Write(_arguments);
        writer.Write(60_000);
        writer.WriteArrayHeader(0);
        writer.WriteNil();
        writer.Flush();
        return _buffer.WrittenCount;
    }

    [Benchmark]
    public long Read()
    {
        var reader = new WireReader(_body);
        long sum = reader.ReadArray("submit", 3, 3);
        sum += reader.ReadInt32("durability", 0, 1);
        sum += reader.ReadUtf8("key", ProtocolLimits.KeyBytesMax).Length;
        sum += reader.ReadArray("plan", 5, 5);
        sum += reader.ReadUuid("plan.user") != 0 ? 1 : 0;
        sum += reader.ReadArray("schedule", 2, 4);
        sum += reader.ReadInt32("schedule.kind", 0, byte.MaxValue);
        sum += reader.ReadInt64("schedule.at", 0, ProtocolLimits.InstantMsMax);
        sum += reader.ReadArray("policy", 4, 4);
        sum += reader.ReadInt32("policy.retries", 0, ProtocolLimits.RetriesMax);
        sum += reader.ReadInt64("policy.delay", 1);
        sum += reader.ReadInt64("policy.delay_max", 1);
        sum += reader.ReadInt32("policy.missed", 0, 2);
        sum += reader.ReadArray("content", 3, 3);
        sum += reader.ReadUtf8("name", ProtocolLimits.DescriptionBytesMax).Length;
        sum += reader.ReadArray("action", 2, 8);
        sum += reader.ReadInt32("action.kind", 0, byte.MaxValue);
        sum += reader.ReadUtf8("action.name", ProtocolLimits.TaskNameBytesMax).Length;
        sum += reader.ReadBinary("action.arguments", ProtocolLimits.PayloadBytesMax).Length;
        sum += reader.ReadInt64("action.timeout", 0, ProtocolLimits.DurationMsMax);
        sum += reader.ReadArray("hooks", 0, ProtocolLimits.HooksMax);
        sum += reader.TryReadNil() ? 1 : 0;
        return reader.TryEnd() ? sum : -1;
    }

    /// <summary>It looks at no limit, and not whether texts are UTF-8.</summary>
    [Benchmark]
    public long ReadWithPackage()
    {
        var reader = new MessagePackReader(_body);
        long sum = reader.ReadArrayHeader();
        sum += reader.ReadInt32();
        sum += reader.TryReadStringSpan(out var key) ? key.Length : 0;
        sum += reader.ReadArrayHeader();
        sum += reader.ReadBytes() is { Length: 16 } ? 1 : 0;
        sum += reader.ReadArrayHeader();
        sum += reader.ReadInt32();
        sum += reader.ReadInt64();
        sum += reader.ReadArrayHeader();
        sum += reader.ReadInt32();
        sum += reader.ReadInt64();
        sum += reader.ReadInt64();
        sum += reader.ReadInt32();
        sum += reader.ReadArrayHeader();
        sum += reader.TryReadStringSpan(out var name) ? name.Length : 0;
        sum += reader.ReadArrayHeader();
        sum += reader.ReadInt32();
        sum += reader.TryReadStringSpan(out var task) ? task.Length : 0;
        sum += reader.ReadBytes()?.Length ?? 0;
        sum += reader.ReadInt64();
        sum += reader.ReadArrayHeader();
        sum += reader.TryReadNil() ? 1 : 0;
        return reader.End ? sum : -1;
    }

    [Benchmark]
    public int WriteMessage()
    {
        _frames.Clear();
        _frames.Write(1, _submit!);
        return _frames.Length;
    }

    [Benchmark]
    public bool ReadMessage() => ReadMessage(_body);

    [Benchmark]
    public bool RefuseMessage() => ReadMessage(_wrong);

    /// <summary>The package says the same with an exception.</summary>
    [Benchmark]
    public bool RefuseWithPackage()
    {
        var reader = new MessagePackReader(_wrong.AsMemory(^2));
        try
        {
            return reader.ReadArrayHeader() == 0;
        }
        catch (MessagePackSerializationException)
        {
            return false;
        }
    }

    private static bool ReadMessage(byte[] body)
    {
        var reader = new WireReader(body);
        SubmitRequest.Read(ref reader);
        return reader.TryEnd();
    }
}
