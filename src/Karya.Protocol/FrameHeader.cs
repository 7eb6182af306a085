namespace Karya.Protocol;

/// <summary>What stands before the body of every frame. All numbers are big-endian.</summary>
/// <remarks>
/// <code>
///  0         4         5         6              10
///  │ length  │ version │ opcode  │ correlation  │ body: one MessagePack array │
///            └──────────────── length counts these ────────────────────────────┘
/// </code>
/// The correlation number ties a reply to its request; 0 stands for frames that answer nothing.
/// </remarks>
public static class FrameHeader
{
    public const int LengthBytes = 4;
    public const int VersionOffset = 4;
    public const int OpcodeOffset = 5;
    public const int CorrelationOffset = 6;

    /// <summary>Bytes before the body.</summary>
    public const int Bytes = 10;

    /// <summary>The least that the length may say: version, opcode and correlation, and no body.</summary>
    public const int LengthMin = Bytes - LengthBytes;

    /// <summary>Frames before the handshake carry a token at most.</summary>
    public const int GreetingLengthMax = 1024;

    /// <summary>What the length of a frame may say unless a node is told otherwise: 4 MiB.</summary>
    public const int LengthMaxDefault = 4 * 1024 * 1024;
}
