namespace Karya.Cli.Rendering;

/// <summary>
/// What people read: data on stdout, messages on stderr, colour only where it is wanted and never the only sign.
/// </summary>
internal sealed class Terminal(TextWriter output, TextWriter error, bool hasColour)
{
    private const string Bold = "\e[1m";
    private const string Red = "\e[31m";
    private const string Plain = "\e[0m";

    /// <summary>Data goes here.</summary>
    public TextWriter Output => output;

    public bool HasColour => hasColour;

    /// <summary>Where answers are typed; null when nobody is there to ask.</summary>
    public TextReader? Answers { get; init; }

    /// <summary>Columns that a table may have; null when it goes to no terminal.</summary>
    public int? Width { get; init; }

    public static Terminal OfConsole() => new(Console.Out, Console.Error, WantsColour())
    {
        Answers = Console.IsInputRedirected || Console.IsErrorRedirected ? null : Console.In,
        Width = Console.IsOutputRedirected || Console.WindowWidth <= 0 ? null : Console.WindowWidth,
    };

    public void Title(string text) => output.WriteLine(hasColour ? Bold + text + Plain : text);

    public void Line(string text) => output.WriteLine(text);

    /// <summary>Lines that come with their line ends.</summary>
    public void Text(string lines) => output.Write(lines);

    public void Note(string text) => error.WriteLine($"note: {text}");

    public void Message(string text) => error.WriteLine(text);

    /// <summary>What went wrong.</summary>
    public void Error(string what) => error.WriteLine(hasColour ? $"{Red}error:{Plain} {what}" : $"error: {what}");

    /// <summary>Below an error: its cause.</summary>
    public void Why(string cause) => error.WriteLine($"  why: {cause}");

    /// <summary>Below an error: what to do about it.</summary>
    public void Hint(string action) => error.WriteLine($"  try: {action}");

    /// <summary>Only the word yes, or y, is one. Nobody there to ask: null.</summary>
    public bool? Confirms(string question)
    {
        if (Answers is null)
            return null;
        error.Write($"{question} [y/N] ");
        return Answers.ReadLine()?.Trim().ToLowerInvariant() is "y" or "yes";
    }

    /// <summary>
    /// Both streams go to a terminal that can show it, and nobody set NO_COLOR (https://no-color.org).
    /// </summary>
    private static bool WantsColour() =>
        !Console.IsOutputRedirected
        && !Console.IsErrorRedirected
        && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"))
        && Environment.GetEnvironmentVariable("TERM") != "dumb";
}
