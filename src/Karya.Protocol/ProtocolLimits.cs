namespace Karya.Protocol;

/// <summary>
/// Sizes that are part of the protocol: no peer may exceed them, whatever its node is configured to. In bytes of UTF-8
/// where texts are meant.
/// </summary>
public static class ProtocolLimits
{
    /// <summary>Plans of one <see cref="Opcode.SubmitMany"/>.</summary>
    public const int PlansPerRequestMax = 10_000;

    /// <summary>
    /// Items of one page of a list, of one <see cref="Opcode.Finish"/> or <see cref="Opcode.Extend"/>.
    /// </summary>
    public const int PageMax = 1000;

    /// <summary>Names of one <see cref="Opcode.Subscribe"/>.</summary>
    public const int NamesPerWorkerMax = 256;

    /// <summary>Credits of a worker for one name.</summary>
    public const int CreditsMax = 10_000;

    /// <summary>A plan's description: 4,096 characters of at most three bytes.</summary>
    public const int DescriptionBytesMax = 3 * 4096;

    public const int HooksMax = 32;

    /// <summary>Plans inside plans; the outermost counts as 1.</summary>
    public const int ChainDepthMax = 8;

    public const int TaskNameBytesMax = 128;
    public const int KeyBytesMax = 255;
    public const int UrlBytesMax = 3 * 8192;
    public const int HeadersMax = 100;
    public const int HeaderNameBytesMax = 256;
    public const int HeaderValueBytesMax = 3 * 8192;

    /// <summary>A recipient, a subject, a channel, a topic or a key.</summary>
    public const int LineBytesMax = 3 * 4096;

    /// <summary>A body, a message, or the arguments of a task. The plan as a whole has a limit of its own.</summary>
    public const int PayloadBytesMax = 256 * 1024;

    public const int CronBytesMax = 128;
    public const int ZoneBytesMax = 64;

    /// <summary>What a task's handler may return.</summary>
    public const int ResultBytesMax = 64 * 1024;

    /// <summary>An error text; a node keeps its first 4 KiB.</summary>
    public const int ErrorBytesMax = 16 * 1024;

    public const int ProgressBytesMax = 1024;
    public const int UserNameBytesMax = 1024;
    public const int CursorBytesMax = 64;
    public const int ClientNameBytesMax = 128;
    public const int TokenBytesMax = 256;

    /// <summary>The longest period, delay and time limit: 100 years of 366 days, in ms.</summary>
    public const long DurationMsMax = 100L * 366 * 24 * 3600 * 1000;

    /// <summary>1 January 10000 UTC, in ms since 1970.</summary>
    public const long InstantMsMax = 253_402_300_800_000;

    /// <summary>Attempts after the first.</summary>
    public const int RetriesMax = 999;
}
