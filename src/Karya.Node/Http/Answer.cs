using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Karya.Node.Http;

/// <summary>Writes answers. Every one has a length, so that connections stay open.</summary>
internal static class Answer
{
    public const string TextType = "text/plain; charset=UTF-8";
    public const string JsonType = "application/json";
    private const string ProblemType = "application/problem+json";

    /// <summary>A buffer that grew beyond this for one long answer is not kept.</summary>
    private const int BufferBytesKept = 1024 * 1024;

    private static readonly JsonWriterOptions JsonOptions = new() { Encoder = PlainJsonEncoder.Instance };

    [ThreadStatic]
    private static ArrayBufferWriter<byte>? _buffer;

    [ThreadStatic]
    private static Utf8JsonWriter? _writer;

    public static Task EmptyAsync(HttpContext context, int status)
    {
        context.Response.StatusCode = status;
        context.Response.ContentLength = 0;
        return Task.CompletedTask;
    }

    public static Task TextAsync(HttpContext context, int status, string text)
    {
        // Texts quote what the client sent; no browser may take them for a page.
        context.Response.Headers.XContentTypeOptions = "nosniff";
        return BytesAsync(context, status, TextType, Encoding.UTF8.GetBytes(text));
    }

    /// <summary>
    /// Answers 200 (or another status) with what <paramref name="write"/> writes about <paramref name="value"/>.
    /// </summary>
    public static Task JsonAsync<T>(
        HttpContext context, T value, Action<Utf8JsonWriter, T> write, int status = StatusCodes.Status200OK,
        string contentType = JsonType)
    {
        // The buffer is this thread's: what it holds is copied out before the first await.
        var buffer = Render(value, write);
        return BytesAsync(context, status, contentType, buffer.WrittenSpan);
    }

    private static ArrayBufferWriter<byte> Render<T>(T value, Action<Utf8JsonWriter, T> write)
    {
        var buffer = _buffer ??= new ArrayBufferWriter<byte>(4096);
        var json = _writer ??= new Utf8JsonWriter(buffer, JsonOptions);
        buffer.ResetWrittenCount();
        json.Reset(buffer);
        write(json, value);
        json.Flush();
        if (buffer.Capacity > BufferBytesKept)
            (_buffer, _writer) = (null, null);

        return buffer;
    }

    /// <summary>
    /// Refuses in the manner of the path: a problem document under <c>/api</c>, plain text elsewhere.
    /// </summary>
    public static Task RefuseAsync(HttpContext context, bool ours, int status, string code, string text)
    {
        if (context.Response.HasStarted)
            return Task.CompletedTask;

        return ours ? ProblemAsync(context, new Problem(status, code, text)) : TextAsync(context, status, text);
    }

    public static Task ProblemAsync(HttpContext context, Problem problem) =>
        JsonAsync(context, problem, Problem.Write, problem.Status, ProblemType);

    public static Task BytesAsync(HttpContext context, int status, string contentType, ReadOnlySpan<byte> body)
    {
        var response = context.Response;
        response.StatusCode = status;
        response.ContentType = contentType;
        response.ContentLength = body.Length;
        if (body.IsEmpty || HttpMethods.IsHead(context.Request.Method))
            return Task.CompletedTask;

        // With a size: bare Kestrel hands out no room at all to a writer that does not say how much it wants.
        body.CopyTo(response.BodyWriter.GetSpan(body.Length));
        response.BodyWriter.Advance(body.Length);
        return response.BodyWriter.FlushAsync(context.RequestAborted).AsTask();
    }
}
