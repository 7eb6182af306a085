namespace Karya.Protocol.Messages;

/// <summary>
/// The body of one kind of frame. Slots are in a fixed order, and only appended; what a slot means, and since which
/// version it is there, stands in <c>docs/protocol.md</c>.
/// </summary>
public interface IMessage<TSelf> where TSelf : IMessage<TSelf>
{
    static abstract Opcode Opcode { get; }

    /// <summary>Writes the body into a frame that is begun.</summary>
    void Write(FrameWriter writer);

    /// <summary>
    /// Reads a body. What comes back counts only if the reader has no <see cref="WireReader.Fault"/> afterwards.
    /// </summary>
    static abstract TSelf Read(ref WireReader reader);
}
