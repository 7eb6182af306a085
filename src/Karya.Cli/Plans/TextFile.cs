using System.Text;

namespace Karya.Cli.Plans;

/// <summary>Text that the command line names: on its own, as <c>@FILE</c>, or <c>-</c> for stdin.</summary>
internal static class TextFile
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The text itself, or, behind an <c>@</c>, the content of a file.</summary>
    /// <exception cref="UsageException">There is no such file.</exception>
    public static string ReadOrTake(string text) => text.StartsWith('@') ? Read(text[1..]) : text;

    /// <exception cref="UsageException">There is no such file.</exception>
    public static string Read(string path)
    {
        try
        {
            using var reader = Open(path);
            return reader.ReadToEnd();
        }
        catch (DecoderFallbackException)
        {
            throw new UsageException($"{path} is not text in UTF-8");
        }
    }

    /// <inheritdoc cref="Read"/>
    public static StreamReader Open(string path)
    {
        try
        {
            return new StreamReader(path == "-" ? Console.OpenStandardInput() : File.OpenRead(path), Strict);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UsageException($"the file '{path}' cannot be read", exception.Message, "name a file that is there");
        }
    }
}
