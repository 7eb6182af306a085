using Karya.Protocol.Messages;

namespace Karya.Protocol.Tests;

/// <summary>A message, and how its kind is read and written again, for tests that go through all kinds.</summary>
internal sealed class Sample
{
    private readonly Rewriting _rewrite;

    private Sample(string name, Type type, Opcode opcode, byte[] body, Rewriting rewrite)
    {
        Name = name;
        Type = type;
        Opcode = opcode;
        Body = body;
        _rewrite = rewrite;
    }

    private delegate WireFault? Rewriting(ReadOnlySpan<byte> body, FrameWriter again);

    public string Name { get; }

    public Type Type { get; }

    public Opcode Opcode { get; }

    /// <summary>As it is written.</summary>
    public byte[] Body { get; }

    public static Sample Of<T>(string name, T message) where T : IMessage<T>
    {
        var writer = new FrameWriter();
        message.Write(writer);
        return new Sample(name, typeof(T), T.Opcode, writer.Written.ToArray(), Rewrite<T>);
    }

    /// <summary>
    /// Reads a body as this kind of message; unless it has a fault, appends its frame to <paramref name="again"/>.
    /// </summary>
    public WireFault? Rewrite(ReadOnlySpan<byte> body, FrameWriter again) => _rewrite(body, again);

    /// <summary>The fault of a body.</summary>
    public WireFault? FaultOf(ReadOnlySpan<byte> body) => _rewrite(body, new FrameWriter());

    /// <summary>A body read as this kind of message and written again.</summary>
    public byte[] Again(ReadOnlySpan<byte> body)
    {
        var writer = new FrameWriter();
        var fault = _rewrite(body, writer);
        return fault is null
            ? writer.Written[FrameHeader.Bytes..].ToArray()
            : throw new InvalidOperationException($"{Name}: {fault}");
    }

    public byte[] Frame(uint correlation)
    {
        var writer = new FrameWriter();
        writer.Begin(Opcode, correlation);
        writer.WriteRaw(Body);
        writer.End();
        return writer.Written.ToArray();
    }

    public override string ToString() => Name;

    private static WireFault? Rewrite<T>(ReadOnlySpan<byte> body, FrameWriter again) where T : IMessage<T>
    {
        var reader = new WireReader(body);
        var message = T.Read(ref reader);
        if (!reader.TryEnd())
            return reader.Fault;
        again.Write(1, message);
        return null;
    }
}
